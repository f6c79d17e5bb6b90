"""How our sockets differ from the server's own: a handler can cut one off, and one that never answers a ping
does not linger."""

import socket
import struct
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

ABORT = "safelight.abort"  # the extension that hands a handler the means to cut its socket off

_UNREAD_BYTES = 128 << 10  # what the kernel may keep for a slow reader; by itself it would grow to megabytes
_NO_LINGER = struct.pack("ii", 1, 0)


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
