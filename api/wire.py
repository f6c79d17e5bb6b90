"""How our sockets differ from the server's own: a handler can cut one off, and one that never answers a ping
does not linger."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

ABORT = "safelight.abort"  # the extension that hands a handler the means to cut its socket off


class WebSocketWire(WebSocketsSansIOProtocol):
    """A client that reads nothing keeps the buffers full, and a close behind full buffers waits for ever."""

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):  # not refused as malformed
            self.scope["extensions"] = {**(self.scope["extensions"] or {}), ABORT: {"abort": self.transport.abort}}

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()
