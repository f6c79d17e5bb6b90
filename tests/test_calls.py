"""Calls to addresses that a client named: where they go, and what they may cost us."""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_network

import pytest

from egress.addresses import Networks
from egress.calls import Caller, CallFailed, Forbidden
from tests.receivers import CERTIFICATE, Receiver, raw_receiver
from tests.servers import free_port

LOOPBACK: Networks = (ip_network("127.0.0.0/8"),)

HEADERS = {"Content-Type": "application/json"}


def always(*addresses: str) -> Callable[[str, int], Sequence[str]]:
    """A resolver that knows one answer."""
    return lambda _host, _port: addresses


def post(url: str, *, caller: Caller | None = None, timeout_s: float = 10.0, body: bytes = b"{}") -> int:
    return (caller or Caller(LOOPBACK)).post(url, body, HEADERS, timeout_s)


def test_a_call_arrives_as_it_was_made(receiver: Receiver) -> None:
    caller = Caller(LOOPBACK, always("127.0.0.1"))
    status = caller.post(f"http://hooks.example:{receiver.port}/a;b?c=d#e", b"{}", {"X-One": "1"}, 10.0)
    assert status == 204
    (request,) = receiver.received
    assert (request.path, request.body) == ("/a;b?c=d", b"{}")
    assert (request.headers["host"], request.headers["x-one"]) == (f"hooks.example:{receiver.port}", "1")


def test_a_name_with_one_address_that_is_forbidden_is_not_called_at_all(receiver: Receiver) -> None:
    """Whoever answers with a public and a private address hopes that the second is tried after the first."""
    for addresses in (("127.0.0.1", "10.0.0.1"), ("10.0.0.1", "127.0.0.1")):
        with pytest.raises(Forbidden, match=r"10\.0\.0\.1"):
            post(f"http://hooks.example:{receiver.port}/", caller=Caller(LOOPBACK, always(*addresses)))
    assert receiver.received == []


def test_a_name_that_resolves_to_this_machine_is_not_called(receiver: Receiver) -> None:
    """With the system's own resolver."""
    with pytest.raises(Forbidden):
        post(f"http://localhost:{receiver.port}/", caller=Caller())
    assert receiver.received == []


def test_the_address_that_was_checked_is_the_one_that_is_connected_to() -> None:
    """DNS rebinding: a name that may be called when it is checked, and not at any later look. Only 127.0.0.2 is
    allowed here, and stands for the public address; at 127.0.0.1 listens what shall never be reached."""
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.2"] if len(asked) == 1 else ["127.0.0.1"]

    with Receiver(host="127.0.0.2") as public, Receiver(port=public.port) as private:
        caller = Caller((ip_network("127.0.0.2/32"),), rebinding)
        assert post(f"http://hooks.example:{public.port}/", caller=caller) == 204
        assert asked == ["hooks.example"]
        with pytest.raises(Forbidden, match=r"127\.0\.0\.1"):  # the next call asks anew, and checks anew
            post(f"http://hooks.example:{public.port}/", caller=caller)
        assert (len(public.received), len(private.received)) == (1, 0)


def test_an_ipv6_address_is_named_in_brackets(receiver: Receiver) -> None:
    place = f"[2606:4700::1111]:{receiver.port}"
    assert post(f"http://{place}/", caller=Caller(LOOPBACK, always("127.0.0.1"))) == 204
    assert receiver.received[0].headers["host"] == place


def test_when_one_address_does_not_answer_the_next_is_tried(receiver: Receiver) -> None:
    caller = Caller((ip_network("127.0.0.0/8"), ip_network("::1/128")), always("::1", "127.0.0.1"))
    assert post(f"http://hooks.example:{receiver.port}/", caller=caller) == 204


def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver) -> None:
    with Receiver((302, {"Location": receiver.url})) as first:
        assert post(first.url) == 302
    assert receiver.received == []


def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert post(receiver.url) == 204


def test_a_certificate_must_be_of_the_name_although_the_address_is_what_was_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with Receiver(tls=True) as receiver:
        caller = Caller(LOOPBACK, always("127.0.0.1"))
        assert post(f"https://hooks.example:{receiver.port}/", caller=caller) == 204
        with pytest.raises(CallFailed, match="other\\.example"):
            post(f"https://other.example:{receiver.port}/", caller=caller)
        assert [request.headers["host"] for request in receiver.received] == [f"hooks.example:{receiver.port}"]


def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    with Receiver(tls=True) as receiver:
        with pytest.raises(CallFailed, match="certificate verify failed"):
            post(f"https://hooks.example:{receiver.port}/", caller=Caller(LOOPBACK, always("127.0.0.1")))
        assert receiver.received == []


def took(call: Callable[[], object]) -> float:
    started = time.monotonic()
    with pytest.raises(CallFailed, match="no answer within 1 s"):
        call()
    return time.monotonic() - started


def trickle_headers(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not over.wait(0.1):
        connection.sendall(b"x: y\r\n")


def keep_silent(_connection: socket.socket, over: threading.Event) -> None:
    over.wait()


def wait_ever_on(connection: socket.socket, over: threading.Event) -> None:
    while not over.wait(0.1):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")


@pytest.mark.parametrize("talk", [trickle_headers, keep_silent, wait_ever_on])
def test_a_receiver_that_never_comes_to_an_answer_is_cut_off(
    talk: Callable[[socket.socket, threading.Event], None],
) -> None:
    with raw_receiver(talk) as (url, heard):
        assert 0.9 < took(lambda: post(url, timeout_s=1.0)) < 5
        assert heard[0].startswith(b"POST /hook HTTP/1.1\r\n")


def test_a_receiver_that_does_not_read_is_cut_off() -> None:
    def read_nothing(_connection: socket.socket, over: threading.Event) -> None:
        over.wait()

    with raw_receiver(read_nothing) as (url, _):
        assert 0.9 < took(lambda: post(url, timeout_s=1.0, body=b"x" * 50_000_000)) < 5


def test_a_receiver_that_never_shakes_hands_is_cut_off() -> None:
    with raw_receiver(keep_silent) as (url, _):
        assert 0.9 < took(lambda: post(url.replace("http:", "https:"), timeout_s=1.0)) < 5


def test_a_resolver_that_hangs_is_not_waited_for() -> None:
    over = threading.Event()

    def hang(_host: str, _port: int) -> Sequence[str]:
        over.wait(60)
        return []

    assert 0.9 < took(lambda: post("http://hooks.example/", caller=Caller(LOOPBACK, hang), timeout_s=1.0)) < 5
    over.set()


def test_of_an_endless_answer_little_is_read() -> None:
    sent = [0]

    def flood(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        while not over.is_set():
            connection.sendall(piece)
            sent[0] += len(piece)

    with raw_receiver(flood) as (url, _):
        started = time.monotonic()
        assert post(url, timeout_s=30.0) == 200
        assert time.monotonic() - started < 15
    assert sent[0] < 20_000_000, "the kernel's buffers, not an endless stream"


def test_headers_without_end_are_cut_off() -> None:
    def flood(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not over.is_set():
            connection.sendall(b"x: " + b"y" * 10_000 + b"\r\n")

    with raw_receiver(flood) as (url, _), pytest.raises(CallFailed, match="RemoteProtocolError"):
        post(url, timeout_s=30.0)


def test_a_body_that_dribbles_does_not_undo_the_status_that_came_before_it() -> None:
    def dribble(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not over.wait(0.1):
            connection.sendall(b"x")

    with raw_receiver(dribble) as (url, _):
        started = time.monotonic()
        assert post(url, timeout_s=1.0) == 200
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH\r\n", b"-ERR wrong command\r\n", b"\x00\xff" * 100])
def test_whatever_is_not_http_is_a_failed_call(said: bytes) -> None:
    def talk(connection: socket.socket, _over: threading.Event) -> None:
        connection.sendall(said)

    with raw_receiver(talk) as (url, _), pytest.raises(CallFailed):
        post(url)


def test_a_port_where_nobody_listens_is_a_failed_call() -> None:
    with pytest.raises(CallFailed, match="refused"):
        post(f"http://127.0.0.1:{free_port()}/")


def test_a_name_that_does_not_exist_is_a_failed_call() -> None:
    def unknown(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    for caller in (Caller(LOOPBACK, unknown), Caller(LOOPBACK, always())):
        with pytest.raises(CallFailed):
            post("http://hooks.example/", caller=caller)
