"""Files of watched folders as uploads, so that jobs can take them as media inputs."""

import os
import stat
from pathlib import Path

from config.settings import Settings
from jobs.errors import InvalidInput
from jobs.triggers import Stamp
from storage.engine import Database
from storage.media.artifacts import EXTENSIONS, ArtifactStore
from storage.media.storing import store_media
from storage.media.uploads import Uploads

_PIECE = 1 << 20


class FileChanged(Exception):
    """The file is not any more what it was at the last look."""


class FileUploads:
    """Owned by the thread that looks."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._artifacts = ArtifactStore(settings.artifacts_folder)
        self._uploads = Uploads(database)
        self._most = settings.max_upload_bytes
        self._keep_s = settings.upload_retention_s

    def bring(self, tenant: str, path: Path, stamp: Stamp) -> str:
        """The reference of a new upload with the file's bytes.

        Raises:
            InvalidInput: it is nothing that a job takes.
            FileChanged: it is another one meanwhile.
            OSError: it cannot be read, or not be stored.
        """
        if stamp.bytes > self._most:
            raise InvalidInput(f"An upload may have {self._most} bytes.")
        with self._artifacts.receive() as incoming, open(_open(path, stamp), "rb") as file:
            while piece := file.read(_PIECE):
                incoming.write(piece)
                if incoming.bytes > stamp.bytes:
                    break
            if incoming.bytes != stamp.bytes or _stamp(file.fileno()) != stamp:
                raise FileChanged
            if incoming.media_type is None:
                raise InvalidInput(f"It is none of {', '.join(EXTENSIONS)}.")
            try:
                content = store_media(self._artifacts, incoming, incoming.media_type)
            except ValueError as fault:
                raise InvalidInput(f"{str(fault).capitalize()}.") from fault
        return f"upload:{self._uploads.add(tenant, path.name, content, self._keep_s).id}"


def _open(path: Path, stamp: Stamp) -> int:
    """No link, and no pipe that nobody writes to: neither is followed, nor waited for."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode) or _stamp(handle) != stamp:
        os.close(handle)
        raise FileChanged
    return handle


def _stamp(handle: int) -> Stamp:
    status = os.fstat(handle)
    return Stamp(status.st_size, status.st_mtime_ns)
