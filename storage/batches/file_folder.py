"""The bytes of files, in a folder: each under its own id, written once, whole or not at all. Unlike artifacts they
are not addressed by content, and may be larger than memory. Knows nothing of rows."""

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from jobs.errors import StorageFull

SHELVES = 256  # folders, named by the last two digits of the ids in them: the first digits of an id are a time

_ID = re.compile(r"file-[0-9a-f]{32}")
_TEMPORARY = ".part"


class Draft:
    """A file that is being written: opened, written, published once it is whole, closed. Closed without having been
    published it leaves nothing behind.

    Raises:
        StorageFull: when the disk takes no more.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._path = Path()
        self.bytes = 0

    def open(self) -> None:
        with _full():
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder, suffix=_TEMPORARY)
        self._path = Path(name)
        self._file = os.fdopen(handle, "wb")

    def close(self) -> None:
        if self._file:
            with contextlib.suppress(OSError):  # what was not flushed is not wanted
                self._file.close()
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> "Draft":
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, data: bytes) -> None:
        assert self._file
        with _full():
            self._file.write(data)
        self.bytes += len(data)

    def publish(self, file_id: str) -> None:
        """Synced, then under its final name: from here it is found. A row should follow, or a sweep takes it."""
        assert self._file
        path = _path(self._folder, file_id)
        with _full():
            self._file.flush()
            os.fsync(self._file.fileno())
            os.chmod(self._path, 0o644)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self._path, path)
            _sync(path.parent)


class FileFolder:
    """Where the bytes of files lie."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def draft(self) -> Draft:
        """A file to write, and to publish once it is whole."""
        return Draft(self._folder)

    def find(self, file_id: str) -> Path | None:
        """Where the bytes are, or None. Any text may be asked for; only ids are looked up."""
        if not _ID.fullmatch(file_id):
            return None
        path = _path(self._folder, file_id)
        return path if path.is_file() else None

    def discard(self, file_id: str) -> None:
        _path(self._folder, file_id).unlink(missing_ok=True)

    def older_than(self, age_s: float, shelf: int) -> list[str]:
        """Ids of what lies on one of the SHELVES for so long."""
        return [path.name for path in _untouched(self._folder / f"{shelf:02x}", age_s) if _ID.fullmatch(path.name)]

    def clear_drafts(self, age_s: float) -> None:
        """Delete what was abandoned by a process that died while it wrote."""
        for path in _untouched(self._folder, age_s):
            if path.suffix == _TEMPORARY:
                path.unlink(missing_ok=True)


def is_file_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def _path(folder: Path, file_id: str) -> Path:
    return folder / file_id[-2:] / file_id


def _untouched(folder: Path, age_s: float) -> list[Path]:
    limit = time.time() - age_s
    found = []
    for path in folder.glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_mtime < limit:
                found.append(path)
    return found


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _full() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise StorageFull(f"The file could not be stored: {fault.strerror}.") from fault
