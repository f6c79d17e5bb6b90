"""The artifact store: content-addressed bytes in a folder. Knows nothing of jobs; who may read what is
decided by the rows that list a key."""

import contextlib
import hashlib
import os
import re
import secrets
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from storage.media.incoming import TEMPORARY, Incoming

EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "video/mp4": "mp4",
    "audio/wav": "wav",
}
MEDIA_TYPES = {extension: media_type for media_type, extension in EXTENSIONS.items()}

SHELVES = 256  # folders, named by the first two digits of what lies in them

_KEY = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{2,5}")
_ASIDE = "aside"  # beside the shelves: what no job lists, for a while


@dataclass(frozen=True, slots=True)
class Stored:
    """Where bytes came to lie. `key` is `<sha256>.<extension>`."""

    key: str
    sha256: str
    bytes: int


class ArtifactStore:
    """A folder of artifacts. A file under its final name is whole: it is written under a temporary name,
    synced, then renamed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes, media_type: str) -> Stored:
        """Store bytes once, however often they are put.

        Raises:
            OSError: nothing half-written is ever visible, for example when the disk is full.
        """
        digest = hashlib.sha256(data).hexdigest()
        stored = Stored(f"{digest}.{EXTENSIONS.get(media_type, 'bin')}", digest, len(data))
        if _renewed(self._path(stored.key), len(data)):
            return stored
        with self.receive() as incoming:
            incoming.write(data)
            self.keep(incoming, media_type)
        return stored

    def receive(self) -> Incoming:
        """A file for bytes that come piece by piece; one that is not kept leaves nothing behind.

        Raises:
            OSError: nothing can be stored here.
        """
        shelf = self.folder / f"{secrets.randbelow(SHELVES):02x}"  # what a process leaves there is swept
        shelf.mkdir(parents=True, exist_ok=True)
        return Incoming(shelf)

    def keep(self, incoming: Incoming, media_type: str) -> Stored:
        """Store what came in, whole, under its own hash.

        Raises:
            OSError: see `put`.
        """
        digest = incoming.digest
        stored = Stored(f"{digest}.{EXTENSIONS.get(media_type, 'bin')}", digest, incoming.bytes)
        path = self._path(stored.key)
        if not _renewed(path, stored.bytes):
            path.parent.mkdir(parents=True, exist_ok=True)
            incoming.become(path)
            _sync_folder(path.parent)
        return stored

    def find(self, key: str) -> Path | None:
        """The file that holds these bytes, or None. Any text may be asked for; only keys are looked up."""
        if not _KEY.fullmatch(key):
            return None
        shelf = self._path(key)
        places = (shelf, self._aside(key), shelf)  # it may be put back while we look
        return next((path for path in places if path.is_file()), None)

    def set_aside(self, key: str) -> None:
        """Take bytes from their shelf; they are still found. Put again, they are written anew."""
        path, aside = self._path(key), self._aside(key)
        aside.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.utime(path)  # first: from here its time aside is counted
            path.replace(aside)

    def aside(self, age_s: float) -> list[Path]:
        """What was set aside longer ago than that."""
        return _untouched(self.folder / _ASIDE, age_s)

    def put_back(self, key: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._aside(key).replace(self._path(key))

    def discard(self, key: str, age_s: float) -> None:
        """Delete what is aside, unless it came there just now."""
        path = self._aside(key)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - age_s:
                path.unlink()

    def older_than(self, age_s: float, shelf: int) -> list[Path]:
        """Files, abandoned temporaries among them, not touched for `age_s` seconds; of one of the SHELVES."""
        return _untouched(self.folder / f"{shelf:02x}", age_s)

    def check_writable(self) -> None:
        """Raises: OSError when nothing can be stored here."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=TEMPORARY):
            pass

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key

    def _aside(self, key: str) -> Path:
        return self.folder / _ASIDE / key


def _renewed(path: Path, size: int) -> bool:
    """Are these bytes there? Then they are young again: no sweep takes them before their row is written. If they
    are set aside in this moment, they are not there."""
    try:
        if path.stat().st_size != size:
            return False
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _untouched(folder: Path, age_s: float) -> list[Path]:
    limit = time.time() - age_s
    found = []
    for path in folder.glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < limit:
                found.append(path)
    return found


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
