"""Receivers of webhooks: real servers on loopback, friendly ones and others."""

import contextlib
import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers import free_port

CERTIFICATE = Path(__file__).parent / "certificates" / "hooks.example.pem"  # of that name, signed by itself


@dataclass(frozen=True)
class Received:
    """One request as it came in."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """An HTTP server that keeps what it got. `answers` are used up one by one, the last one for ever: a status
    code, or headers with it."""

    def __init__(
        self, *answers: int | tuple[int, Mapping[str, str]], port: int = 0, host: str = "127.0.0.1", tls: bool = False
    ) -> None:
        self.port = port or free_port()
        self.received: list[Received] = []
        self.host = host
        self.url = f"http{'s' * tls}://{host}:{self.port}/hook"
        self._answers = list(answers) or [204]
        self._tls = tls
        self._lock = threading.Lock()
        self._server: http.server.ThreadingHTTPServer | None = None

    def start(self) -> None:
        self._server = http.server.ThreadingHTTPServer((self.host, self.port), self._handler())
        if self._tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> "Receiver":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def receive(self, request: Received) -> tuple[int, Mapping[str, str]]:
        with self._lock:
            self.received.append(request)
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return answer if isinstance(answer, tuple) else (answer, {})

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, extra = receiver.receive(Received(self.path, headers, body))
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                receiver.receive(Received(self.path, dict(self.headers), b""))
                self.send_error(405)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@contextlib.contextmanager
def raw_receiver(
    talk: Callable[[socket.socket, threading.Event], None], host: str = "127.0.0.1"
) -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads a request and then talks as it likes, until the event is set; yields its URL, and
    what it read."""
    over, heard = threading.Event(), list[bytes]()

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            heard.append(connection.recv(65_536))
            talk(connection, over)

    def accept() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server((host, 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://{host}:{listener.getsockname()[1]}/hook", heard
        finally:
            over.set()
            thread.join()
