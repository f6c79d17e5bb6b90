"""Downloads from URLs that a client named: no way around the guard, and no more bytes or seconds than allowed."""

from collections.abc import Callable, Sequence
from ipaddress import ip_network

import pytest

from egress.addresses import Networks
from egress.calls import Caller
from egress.downloads import Downloader, DownloadFailed
from tests.origins import Origin

LOOPBACK: Networks = (ip_network("127.0.0.1/32"),)


def downloaded(url: str, downloader: Downloader | None = None, most: int = 1_000) -> bytes:
    got = bytearray()
    (downloader or Downloader(LOOPBACK)).download(url, got.extend, most=most, timeout_s=5.0)
    return bytes(got)


def always(*addresses: str) -> Callable[[str, int], Sequence[str]]:
    return lambda _host, _port: addresses


def test_a_redirect_is_followed_under_the_same_guard() -> None:
    with Origin() as origin:
        origin.pages |= {"/a": (302, {"location": "b?c=d"}), "/b?c=d": b"here"}
        assert downloaded(f"{origin.url}/a") == b"here"
        origin.pages["/a"] = (302, {"location": origin.url.replace("127.0.0.1", "localhost") + "/b?c=d"})
        inside = Downloader(LOOPBACK, Caller(LOOPBACK, always("127.0.0.1", "10.0.0.1")))
        with pytest.raises(DownloadFailed, match="does not call that address") as failed:
            downloaded(f"{origin.url.replace('127.0.0.1', 'pictures.example')}/a", inside)
        assert not failed.value.again
        assert "10.0.0.1" not in str(failed.value), "which addresses names have inside is nobody's business"


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/",
        "http://127.0.0.2/",
        "http://2130706433/",
        "//10.0.0.1/",
        "gopher://127.0.0.1/",
        "http://user@127.0.0.1/",
        "http://[::1",
        "http://127.0.0.1\\@10.0.0.1/",
    ],
)
def test_a_redirect_leads_nowhere_that_a_client_could_not_have_named(location: str) -> None:
    with Origin() as origin:
        origin.pages["/a"] = (302, {"location": location})
        with pytest.raises(DownloadFailed, match="redirected to what cannot be called") as failed:
            downloaded(f"{origin.url}/a")
        assert not failed.value.again


def test_a_name_that_changes_its_address_between_two_steps_is_checked_at_each() -> None:
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    with Origin() as origin:
        origin.pages["/a"] = (302, {"location": "/b"})
        origin.pages["/b"] = b"secret"
        downloader = Downloader(LOOPBACK, Caller(LOOPBACK, rebinding))
        with pytest.raises(DownloadFailed, match="does not call that address"):
            downloaded(origin.url.replace("127.0.0.1", "pictures.example") + "/a", downloader)
        assert origin.asked == ["/a"]


def test_exactly_as_many_bytes_as_are_allowed_are_allowed() -> None:
    with Origin() as origin:
        origin.pages["/a"] = b"x" * 1_000
        assert len(downloaded(f"{origin.url}/a")) == 1_000
        with pytest.raises(DownloadFailed, match="larger than 999 bytes"):
            downloaded(f"{origin.url}/a", most=999)


@pytest.mark.parametrize(("status", "again"), [(404, False), (403, False), (204, False), (429, True), (503, True)])
def test_another_try_is_for_what_may_pass(status: int, again: bool) -> None:
    with Origin() as origin:
        origin.pages["/a"] = (status, {})
        with pytest.raises(DownloadFailed, match=f"answered {status}") as failed:
            downloaded(f"{origin.url}/a")
        assert failed.value.again is again


def test_what_cannot_be_written_is_not_taken_for_a_bad_connection() -> None:
    def full(_piece: bytes) -> None:
        raise OSError(28, "No space left on device")

    with Origin() as origin:
        origin.pages["/a"] = b"x"
        with pytest.raises(OSError, match="No space"):
            Downloader(LOOPBACK).download(f"{origin.url}/a", full, most=10, timeout_s=5.0)
