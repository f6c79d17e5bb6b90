"""Both Python clients behind one blocking face, and a TCP proxy that can misbehave, for the clients' tests."""

import asyncio
import contextlib
import inspect
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

from safelight_client import AsyncSafelight, Safelight


class Awaited:
    """`AsyncSafelight` as a blocking client, so that every test holds for both."""

    def __init__(self, url: str, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncSafelight(url, **options)

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            given = getattr(self._client, name)(*arguments, **named)
            return self._runner.run(given) if inspect.iscoroutine(given) else self._iterate(given)

        return call

    def __enter__(self) -> "Awaited":
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.close())
        self._runner.close()

    def _iterate(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        async def take() -> Any:
            return await anext(items, self)

        while (item := self._runner.run(take())) is not self:
            yield item


CLIENTS = {"sync": Safelight, "async": Awaited}


class Proxy:
    """Forwards connections to a server. The first `cut` of them lose their answer: the request is passed on whole,
    and once the server begins to answer, both sides are closed. A request that holds `without` gets a 404."""

    def __init__(self, url: str, cut: int = 0, without: bytes | None = None) -> None:
        self._server = (urlsplit(url).hostname, urlsplit(url).port)
        self._cut = cut
        self._without = without
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        _close(self._listener)
        self.cut_all()

    def cut_all(self) -> None:
        """Drop every connection that is open now."""
        while self._open:
            _close(self._open.pop())

    def heads(self, start: bytes) -> list[bytes]:
        """The requests that began so, as they were sent."""
        return [request for request in self.requests if request.startswith(start)]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                cut = self._cut > 0
                self._cut -= cut
                with contextlib.suppress(ConnectionError):
                    server = socket.create_connection(self._server)
                    self._open += [client, server]
                    threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()
                    threading.Thread(target=self._pass_back, args=(server, client, cut), daemon=True).start()
                    continue
                _close(client)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := client.recv(65_536):
                self.requests.append(piece)
                if self._without and self._without in piece:
                    client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                else:
                    server.sendall(piece)
        _close(server)

    def _pass_back(self, server: socket.socket, client: socket.socket, cut: bool) -> None:
        with contextlib.suppress(OSError):
            while (piece := server.recv(65_536)) and not cut:
                client.sendall(piece)
        _close(server)
        _close(client)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
