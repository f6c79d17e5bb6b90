"""Calls to addresses that a client named. The name is resolved and every address of it checked here, and it is one of
those that is connected to: no second look-up in between (DNS rebinding). TLS and the Host header still go by the
name. No redirects, no proxies; time and size are bounded as a whole, whatever the other side does."""

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import httpcore

from egress.addresses import Networks, is_allowed, parse_resolved
from jobs.errors import SafelightError

Resolve = Callable[[str, int], Sequence[str]]

_ANSWER_BYTES = 64 * 1024
_PIECE = 64 * 1024


class CallFailed(SafelightError):
    """Nobody answered."""


class Forbidden(CallFailed):
    """This address may not be called."""


def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a name, in the order of the system's resolver. Raises: OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


class Caller:
    """Makes calls; safe to share between threads. `allowed` are networks that the guard lets through."""

    def __init__(self, allowed: Networks = (), resolve: Resolve = resolve) -> None:
        self._allowed = allowed
        self._resolve = resolve

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpcore.default_ssl_context()  # the system's authorities, SSL_CERT_FILE's, and certifi's

    def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> int:
        """Post, and drop the answer; says its status code.

        Raises:
            Forbidden: one of the addresses of the name may not be called. Nothing was sent.
            CallFailed: there was no answer, or none in time.
        """
        with self._calling("POST", url, headers, body, timeout_s) as answer:
            _drop(answer.pieces)
            return answer.status

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> Iterator["Answer"]:
        """Ask for what is there. The body is read while the answer is held, and by the same deadline.

        Raises:
            Forbidden, CallFailed: see `post`; reading the body may raise the latter as well.
        """
        with self._calling("GET", url, headers, None, timeout_s) as answer:
            yield answer

    @contextmanager
    def _calling(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout_s: float
    ) -> Iterator["Answer"]:
        line = _Line(self._allowed, self._resolve, time.monotonic() + timeout_s)
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        place = httpcore.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target=target)
        named = [("Host", parts.netloc.removesuffix(":")), *headers.items()]
        with ExitStack() as opened:
            with _told(timeout_s):
                tls = self._tls if parts.scheme == "https" else None
                connection = opened.enter_context(httpcore.HTTPConnection(place.origin, tls, network_backend=line))
                answer = opened.enter_context(connection.stream(method, place, headers=named, content=body))
            yield Answer(answer.status, _texts(answer.headers), _read(answer.iter_stream(), timeout_s))


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered. `headers` are named in lower case; `pieces` are the body as it comes, and end by the
    deadline of the call, with CallFailed if need be."""

    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes]


@contextmanager
def _told(timeout_s: float) -> Iterator[None]:
    """Whatever may happen on the way to others, as CallFailed."""
    try:
        yield
    except TimeoutError as fault:
        raise CallFailed(f"no answer within {timeout_s:g} s") from fault
    except (OSError, httpcore.NetworkError, httpcore.ProtocolError, ValueError) as fault:
        raise CallFailed(f"{type(fault).__name__}: {fault}") from fault


def _texts(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def _read(pieces: Iterable[bytes], timeout_s: float) -> Iterator[bytes]:
    with _told(timeout_s):
        yield from pieces


def _drop(answer: Iterable[bytes]) -> None:
    """Read a little, so that a receiver need not see its connection torn. What counts is the status, and that is
    known already."""
    read = 0
    with suppress(CallFailed):
        for piece in answer:
            read += len(piece)
            if read >= _ANSWER_BYTES:
                return


class _Line(httpcore.NetworkBackend):
    """Connects for one call, until its deadline."""

    def __init__(self, allowed: Networks, resolve: Resolve, deadline: float) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Raises: Forbidden, OSError."""
        addresses = self._look_up(host, port)
        for text in addresses:
            if not is_allowed(parse_resolved(text), self._allowed):
                raise Forbidden(f"{host} is {text}, which this server does not call for its clients")
        failed = OSError(f"{host} has no address")
        for untried, text in zip(range(len(addresses), 0, -1), addresses, strict=True):
            try:
                return self._connect(text, port, _left(self._deadline) / untried)
            except OSError as fault:
                failed = fault
        raise failed

    def _connect(self, address: str, port: int, timeout_s: float) -> "_Stream":
        line = socket.create_connection((address, port), timeout_s)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _Stream(line, self._deadline)

    def _look_up(self, host: str, port: int) -> Sequence[str]:
        """The system's resolver knows no deadline: it is asked in a thread that nobody waits for too long."""
        answers: queue.SimpleQueue[Sequence[str] | OSError] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._resolve(host, port))
            except (OSError, UnicodeError) as fault:
                answers.put(OSError(str(fault)))

        threading.Thread(target=ask, name="resolver", daemon=True).start()
        try:
            answer = answers.get(timeout=_left(self._deadline))
        except queue.Empty as fault:
            raise TimeoutError from fault
        if isinstance(answer, OSError):
            raise answer
        return answer


class _Stream(httpcore.NetworkStream):
    """A socket whose every operation ends by the deadline."""

    def __init__(self, line: socket.socket, deadline: float) -> None:
        self._socket = line
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._socket.settimeout(_left(self._deadline))
        return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        unsent = memoryview(buffer)
        while unsent:
            self._socket.settimeout(_left(self._deadline))
            try:
                unsent = unsent[self._socket.send(unsent[:_PIECE]) :]
            except ConnectionError as fault:  # it may have answered before it had read everything
                raise httpcore.WriteError(str(fault)) from fault

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "_Stream":
        try:
            self._socket.settimeout(_left(self._deadline))
            return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname), self._deadline)
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        return self._socket if info == "ssl_object" and isinstance(self._socket, ssl.SSLSocket) else None


def _left(deadline: float) -> float:
    """Seconds until then. Raises: TimeoutError."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
