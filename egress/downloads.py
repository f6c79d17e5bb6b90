"""Downloads from URLs that a client named: under the guard at every step of the way, bounded in time and size. What
the bytes are nobody looks at here."""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

from egress.addresses import Networks, check_url
from egress.calls import Answer, Caller, CallFailed, Forbidden
from jobs.errors import SafelightError

_REDIRECTS_MOST = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "Safelight", "Connection": "close"}


class DownloadFailed(SafelightError):
    """Nothing was downloaded. The message is for the client; `again`: another try may have more luck."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


class Downloader:
    """Safe to share between threads. `allowed` are networks that the guard lets through."""

    def __init__(self, allowed: Networks = (), caller: Caller | None = None) -> None:
        self._allowed = allowed
        self._caller = caller or Caller(allowed)

    def download(self, url: str, take: Callable[[bytes], object], *, most: int, timeout_s: float) -> None:
        """Hand what is there to `take`, piece by piece, `most` bytes at most.

        Raises:
            DownloadFailed: there is no telling how much was handed over before.
        """
        deadline = time.monotonic() + timeout_s
        for _ in range(_REDIRECTS_MOST + 1):
            try:
                location = self._ask(url, take, most, max(0.0, deadline - time.monotonic()))
            except Forbidden as fault:  # which address a name has inside here is nobody's business
                raise DownloadFailed("this server does not call that address for its clients", again=False) from fault
            except CallFailed as fault:
                raise DownloadFailed(_reason(fault, timeout_s), again=True) from fault
            if location is None:
                return
            url = self._checked(location, url)
        raise DownloadFailed(f"it is redirected more than {_REDIRECTS_MOST} times", again=False)

    def _ask(self, url: str, take: Callable[[bytes], object], most: int, left_s: float) -> str | None:
        """Where to look instead, or None when all of it was taken."""
        with self._caller.get(url, _HEADERS, left_s) as answer:
            if answer.status in _REDIRECTS and "location" in answer.headers:
                return answer.headers["location"]
            _check(answer, most)
            taken = 0
            for piece in answer.pieces:
                taken += len(piece)
                if taken > most:
                    raise _too_large(most)
                take(piece)
        return None

    def _checked(self, location: str, before: str) -> str:
        try:
            url = urljoin(before, location)
            check_url(url, self._allowed)
        except ValueError as fault:
            raise DownloadFailed(f"it is redirected to what cannot be called: {fault}", again=False) from fault
        if urlsplit(before).scheme == "https" != urlsplit(url).scheme:
            raise DownloadFailed("it is redirected from https to http", again=False)
        return url


def _check(answer: Answer, most: int) -> None:
    if answer.status != HTTPStatus.OK:
        again = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in _PASSING
        raise DownloadFailed(f"the server answered {answer.status}", again=again)
    if _named(answer.headers, "content-encoding") not in ("", "identity"):
        raise DownloadFailed("the server compresses it although it was asked not to", again=False)
    announced = _named(answer.headers, "content-length")
    if announced.isdigit() and int(announced[:20]) > most:
        raise _too_large(most)


def _named(headers: Mapping[str, str], name: str) -> str:
    return headers.get(name, "").strip().lower()


def _too_large(most: int) -> DownloadFailed:
    return DownloadFailed(f"it is larger than {most:,} bytes", again=False)


def _reason(fault: CallFailed, timeout_s: float) -> str:
    if isinstance(fault.__cause__, TimeoutError):
        return f"it was not there within {timeout_s:g} s"
    return "the connection failed"
