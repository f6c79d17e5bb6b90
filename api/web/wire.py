"""How our connections differ from the server's own: an answer is one write; a handler can cut a socket off, and one
that never answers a ping does not linger."""

import asyncio
import socket
import struct
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

ABORT = "safelight.abort"  # the extension that hands a handler the means to cut its socket off

_UNREAD_BYTES = 128 << 10  # what the kernel may keep for a slow reader; by itself it would grow to megabytes
_NO_LINGER = struct.pack("ii", 1, 0)


class HttpWire(HttpToolsProtocol):
    """The server writes an answer's head and then its body: two system calls, and a client that wakes up twice."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._joined = _Joined(transport, self.loop)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self.cycle is not None:  # there is none where the client asks for a socket
            self.cycle.transport = self._joined  # type: ignore[assignment]


class _Joined:
    """A transport that holds a head back until its body comes, or until the event loop's next turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.writelines((head, data))
        elif data.startswith(b"HTTP/"):
            self._head = data
            self._loop.call_soon(self._let_go)
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._let_go()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _let_go(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.write(head)


class WebSocketWire(WebSocketsSansIOProtocol):
    """A client that reads nothing keeps the buffers full, and a close behind full buffers waits for ever."""

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        self._set_option(socket.SO_SNDBUF, _UNREAD_BYTES)
        if hasattr(self, "scope"):  # not refused as malformed
            self.scope["extensions"] = {**(self.scope["extensions"] or {}), ABORT: {"abort": self.abort}}

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.abort()

    def abort(self) -> None:
        """End the connection now; the kernel too forgets what it still had to send."""
        self._set_option(socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    def _set_option(self, option: int, value: int | bytes) -> None:
        connection = self.transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, option, value)
