"""A small HTTP load generator: many keep-alive connections, one process, little work a request."""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import uvloop


@dataclass(frozen=True, slots=True)
class Load:
    """What a run came to: requests accepted and refused, accepted ones a second, latencies in milliseconds."""

    accepted: int
    refused: int
    rate: float
    p50_ms: float
    p99_ms: float


class Connection:
    """One keep-alive connection to a server."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._host, self._port, self._netloc = place.hostname or "", place.port or 80, place.netloc
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The bytes of a request, to be made once and sent often."""
        kind = "Content-Type: application/json\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._netloc}\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer. The connection is opened when there is none.

        Raises:
            OSError, EOFError: the server is not there, or hung up.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            return int(head[9:12]), await reader.readexactly(length)
        except (OSError, EOFError):
            self.close()
            raise

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None


def post_for(url: str, body: bytes, *, clients: int, seconds: float) -> Load:
    """POST the same body from `clients` connections for that long."""
    until = time.perf_counter() + seconds
    return uvloop.run(_post(url, body, clients, lambda: time.perf_counter() < until))


def post_times(url: str, body: bytes, *, clients: int, times: int) -> Load:
    """POST the same body that often, all in all."""
    left = itertools.count(times, -1)
    return uvloop.run(_post(url, body, clients, lambda: next(left) > 0))


async def _post(url: str, body: bytes, clients: int, more: Callable[[], bool]) -> Load:
    started = time.perf_counter()
    runs = await asyncio.gather(*(_client(url, body, more) for _ in range(clients)))
    took = time.perf_counter() - started
    latencies = sorted(latency for run, _ in runs for latency in run)
    refused = sum(number for _, number in runs)
    assert latencies, f"{url} accepted none, and refused {refused}"
    return Load(len(latencies), refused, len(latencies) / took, _at(latencies, 0.5), _at(latencies, 0.99))


async def _client(url: str, body: bytes, more: Callable[[], bool]) -> tuple[list[float], int]:
    connection = Connection(url)
    request = connection.request("POST", urlsplit(url).path, body)
    latencies, refused = [], 0
    while more():
        began = time.perf_counter()
        try:
            status, _ = await connection.send(request)
        except EOFError:  # a server that fails may hang up
            status = 500
        if 200 <= status < 300:
            latencies.append(time.perf_counter() - began)
        else:
            refused += 1
    connection.close()
    return latencies, refused


def _at(latencies: list[float], share: float) -> float:
    return latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000
