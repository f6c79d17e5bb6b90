"""A web server on loopback that media can be fetched from: honest pages, and others."""

import http.server
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.pictures import picture

Talk = Callable[[http.server.BaseHTTPRequestHandler], None]
Page = bytes | tuple[int, Mapping[str, str]] | Talk


class Origin:
    """Serves `pages` by path: bytes, a status with headers, or whatever a function writes. Counts who asked."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[str] = []
        self._server = http.server.ThreadingHTTPServer((host, 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_port}"

    def __enter__(self) -> "Origin":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        origin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                origin.asked.append(self.path)
                page = origin.pages.get(self.path, (404, {}))
                if isinstance(page, bytes):
                    self.send_response(200)
                    self.send_header("content-length", str(len(page)))
                    self.end_headers()
                    self.wfile.write(page)
                elif isinstance(page, tuple):
                    self.send_response(page[0])
                    for name, value in {"content-length": "0", **page[1]}.items():
                        self.send_header(name, value)
                    self.end_headers()
                else:
                    page(self)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def endless(request: http.server.BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(picture() * 100)


def one_byte_at_a_time(request: http.server.BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    for letter in picture():
        request.wfile.write(bytes([letter]))
        time.sleep(0.2)


def short(request: http.server.BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("content-length", "5000")
    request.end_headers()
    request.wfile.write(picture())
