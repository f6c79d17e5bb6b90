"""Fetching an artifact: the bytes are what the job lists, or nothing is left behind."""

import hashlib
import os
import uuid
from pathlib import Path, PurePosixPath
from typing import IO, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

import httpx

from safelight_client.calls import Call
from safelight_client.errors import CorruptDownload, problem_of
from safelight_client.exchange import pause_after, pause_after_problem
from safelight_client.patience import Patience
from safelight_client.steps import Open, Read, Steps, Work
from safelight_client.values import Output

T = TypeVar("T", covariant=True)


class Sink(Protocol[T]):
    """Where the bytes go."""

    def start(self) -> None:
        """Begin, or begin again from nothing."""

    def write(self, piece: bytes) -> object: ...

    def finish(self) -> T: ...

    def discard(self) -> None:
        """Leave nothing behind; after `finish` a no-op."""


class MemorySink:
    """Keeps the bytes."""

    def start(self) -> None:
        self._bytes = bytearray()

    def write(self, piece: bytes) -> None:
        self._bytes += piece

    def finish(self) -> bytes:
        return bytes(self._bytes)

    def discard(self) -> None:
        self._bytes = bytearray()


class FileSink:
    """Writes beside the file under another name, and renames once all is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{uuid.uuid4().hex}.part")
        self._file: IO[bytes] | None = None

    def start(self) -> None:
        if self._file:
            self._file.close()
        self._file = self._part.open("wb")

    def write(self, piece: bytes) -> None:
        assert self._file
        self._file.write(piece)

    def finish(self) -> Path:
        assert self._file
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._path)
        return self._path

    def discard(self) -> None:
        if self._file:
            self._file.close()
            self._part.unlink(missing_ok=True)


def file_sink(output: Output, path: str | os.PathLike[str]) -> FileSink:
    """For a file, or for a file in a folder under the artifact's own name."""
    target = Path(path)
    if target.is_dir():
        target = target / PurePosixPath(unquote(urlsplit(output.url).path)).name
    return FileSink(target)


def download(call: Call, output: Output, sink: Sink[T], patience: Patience) -> Steps[T]:
    """The artifact, in the sink.

    Raises:
        NotFound: its job was deleted.
        CorruptDownload: other bytes came.
        Unreachable: the server stayed away.
    """
    try:
        while True:
            try:
                sha256 = yield from _fetch(call, sink, patience)
            except httpx.RequestError as fault:
                yield from pause_after(fault, call, patience)
                continue
            if sha256 is not None:
                break
        if sha256 != output.sha256:
            raise CorruptDownload(f"{output.url} has the hash {sha256}, the job says {output.sha256}")
        finished: T = yield Work(sink.finish)
        return finished
    finally:
        sink.discard()


def _fetch(call: Call, sink: Sink[T], patience: Patience) -> Steps[str | None]:
    """The hash of what came, or None: try again."""
    answer: httpx.Response = yield Open(call)
    if not answer.is_success:
        yield from pause_after_problem(problem_of(answer), call, patience)
        return None
    digest = hashlib.sha256()
    yield Work(sink.start)
    while piece := (yield Read()):
        digest.update(piece)
        yield Work(lambda: sink.write(piece))
    return digest.hexdigest()
