"""A small HTTP load generator: many keep-alive connections, one process, little work a request."""

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Load:
    """What a run came to: requests a second, and latencies in milliseconds."""

    rate: float
    p50_ms: float
    p99_ms: float


def post_many(url: str, body: bytes, *, clients: int, seconds: float) -> Load:
    """POST the same body from `clients` connections for that long. Raises: AssertionError on any non-2xx."""
    return asyncio.run(_post_many(url, body, clients, seconds))


async def _post_many(url: str, body: bytes, clients: int, seconds: float) -> Load:
    place = urlsplit(url)
    head = f"POST {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
    request = head.encode() + body
    until = time.perf_counter() + seconds
    started = time.perf_counter()
    host, port = place.hostname or "", place.port or 80
    runs = await asyncio.gather(*(_client(host, port, request, until) for _ in range(clients)))
    took = time.perf_counter() - started
    latencies = sorted(latency for run in runs for latency in run)
    return Load(len(latencies) / took, _at(latencies, 0.5), _at(latencies, 0.99))


async def _client(host: str, port: int, request: bytes, until: float) -> list[float]:
    reader, writer = await asyncio.open_connection(host, port)
    latencies = []
    while (began := time.perf_counter()) < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head[9:10] == b"2", head
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - began)
    writer.close()
    return latencies


def _at(latencies: list[float], share: float) -> float:
    return latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000
