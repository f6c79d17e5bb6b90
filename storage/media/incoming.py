"""Bytes on their way into the artifact store, piece by piece: hashed while they are written, never held in memory."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from jobs.magic import HEAD_BYTES, sniff

TEMPORARY = ".part"  # how names end that nobody looks up


class Incoming:
    """A file under a temporary name. Leaving it removes it, unless it has become an artifact."""

    def __init__(self, folder: Path) -> None:
        handle, name = tempfile.mkstemp(dir=folder, suffix=TEMPORARY)
        self.path = Path(name)
        self.bytes = 0
        self._file = os.fdopen(handle, "wb")
        self._hash = hashlib.sha256()
        self._head = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _fault: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.discard()

    @property
    def digest(self) -> str:
        """The sha256 of what came so far."""
        return self._hash.hexdigest()

    @property
    def media_type(self) -> str | None:
        """What it is by how it begins."""
        return sniff(self._head)

    def write(self, piece: bytes) -> None:
        """Raises: OSError."""
        if len(self._head) < HEAD_BYTES:
            self._head += piece[: HEAD_BYTES - len(self._head)]
        self._file.write(piece)
        self._hash.update(piece)
        self.bytes += len(piece)

    def flush(self) -> None:
        """So that who reads the file finds all of it. Raises: OSError."""
        self._file.flush()

    def become(self, path: Path) -> None:
        """Whole and synced under its final name; whoever syncs the folder makes the name last. Raises: OSError."""
        self._file.flush()
        os.fsync(self._file.fileno())
        os.chmod(self.path, 0o644)
        os.replace(self.path, path)

    def discard(self) -> None:
        """What has become an artifact stays."""
        with contextlib.suppress(OSError):  # a full disk at the last flush: it is thrown away anyhow
            self._file.close()
        self.path.unlink(missing_ok=True)
