"""The requests of the API, built and not sent."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypedDict
from urllib.parse import quote

import httpx

from safelight_client.values import Group, Job, Output, Priority
from safelight_client.version import VERSION

_DEFAULT_URL = "http://127.0.0.1:8000"
_CONNECT_S = 5.0
_STREAM_SILENCE_S = 45.0  # three of the comments that a living stream sends are missing


@dataclass(frozen=True)
class Call:
    """One request. `repeatable`: sending it again after its answer was lost does no harm."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)  # they hold the key
    timeout: httpx.Timeout
    params: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = None
    content: bytes | None = field(default=None, repr=False)  # instead of a body in JSON
    repeatable: bool = True
    follow_redirects: bool = False


@dataclass(frozen=True)
class Calls:
    """Builds requests to one server. The key goes to that server and to nobody else."""

    url: str
    timeout_s: float
    key: str | None = field(repr=False)

    def submit(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Call:
        return self._call("POST", "/v1/jobs", body=body, headers=headers)

    def get(self, job_id: str, wait_s: float = 0.0, after: int | None = None) -> Call:
        params = {"wait": f"{wait_s:g}" if wait_s else None, "after": after}
        return self._call("GET", f"/v1/jobs/{_quote(job_id)}", params, longer_s=wait_s)

    def page(self, filters: Mapping[str, Any], limit: int | None, cursor: str | None) -> Call:
        return self._call("GET", "/v1/jobs", {**filters, "limit": limit, "cursor": cursor})

    def events(self, job_id: str, last_event_id: str) -> Call:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        timeout = httpx.Timeout(self.timeout_s, connect=_CONNECT_S, read=_STREAM_SILENCE_S)
        return self._call("GET", f"/v1/jobs/{_quote(job_id)}/events", headers=headers, timeout=timeout)

    def upload(self, content: bytes) -> Call:
        headers = {"Content-Type": "application/octet-stream"}  # what it is the server sees
        return self._call("POST", "/v1/uploads", headers=headers, content=content)

    def cancel(self, job_id: str) -> Call:
        return self._call("POST", f"/v1/jobs/{_quote(job_id)}/cancel")

    def retry(self, job_id: str) -> Call:
        return self._call("POST", f"/v1/jobs/{_quote(job_id)}/retry", repeatable=False)

    def delete(self, job_id: str) -> Call:
        return self._call("DELETE", f"/v1/jobs/{_quote(job_id)}")

    def submit_group(self, body: Mapping[str, Any], idempotency_key: str) -> Call:
        return self._call("POST", "/v1/groups", body=body, headers={"Idempotency-Key": idempotency_key})

    def get_group(self, group_id: str, wait_s: float = 0.0) -> Call:
        params = {"wait": f"{wait_s:g}" if wait_s else None}
        return self._call("GET", f"/v1/groups/{_quote(group_id)}", params, longer_s=wait_s)

    def cancel_group(self, group_id: str) -> Call:
        return self._call("POST", f"/v1/groups/{_quote(group_id)}/cancel")

    def models(self) -> Call:
        return self._call("GET", "/v1/models")

    def stats(self) -> Call:
        return self._call("GET", "/v1/stats")

    def download(self, output: Output) -> Call:
        return self._call("GET", output.url, follow_redirects=True)

    def _call(
        self,
        method: str,
        target: str,
        params: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: httpx.Timeout | None = None,
        longer_s: float = 0.0,
        **rest: Any,
    ) -> Call:
        url = target if "://" in target else self.url + target
        own = {"User-Agent": f"safelight-client/{VERSION}"}
        if self.key and _origin(url) == _origin(self.url):
            own["Authorization"] = f"Bearer {self.key}"
        return Call(
            method,
            url,
            {**own, **(headers or {})},
            timeout or httpx.Timeout(self.timeout_s + longer_s, connect=_CONNECT_S),
            tuple((name, str(one)) for name, value in (params or {}).items() for one in _each(value)),
            **rest,
        )


def calls_to(url: str | None, key: str | None, timeout_s: float) -> Calls:
    """Calls to the server at `url`, or at SAFELIGHT_URL, or on this machine.

    Raises:
        ValueError: the URL is not http:// or https://.
    """
    url = (url or os.environ.get("SAFELIGHT_URL") or _DEFAULT_URL).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"a server's URL begins with http:// or https://, not {url!r}")
    return Calls(url, timeout_s, key or os.environ.get("SAFELIGHT_API_KEY") or None)


class JobOptions(TypedDict, total=False):
    """What a submit may say besides model and input; None is the same as not given."""

    prompt: str | None  # goes into the input
    priority: Priority | None
    metadata: Mapping[str, Any] | None
    deadline: datetime | str | None  # not started by then: expired
    webhook: Mapping[str, Any] | str | None  # a URL alone hears of the end
    fresh: bool | None  # done although the same was done before
    sticky: str | None  # whoever gives the same gets the same version of an alias


def job_body(model: str, given: Mapping[str, Any] | None, options: JobOptions) -> dict[str, Any]:
    """The body of a submit; what was not given is left to the server.

    Raises:
        ValueError: the prompt is given twice, or a deadline has no time zone.
    """
    beside = ("fresh", "sticky")
    rest = {name: value for name, value in options.items() if value is not None and name not in beside}
    prompt = {"prompt": rest.pop("prompt")} if "prompt" in rest else {}
    if prompt and "prompt" in (given or {}):
        raise ValueError("the prompt is given twice: as `prompt` and in `input`")
    if isinstance(deadline := rest.get("deadline"), datetime):
        rest["deadline"] = moment_text(deadline)
    if isinstance(url := rest.get("webhook"), str):
        rest["webhook"] = {"url": url, "events": ["completed"]}
    return {"model": model, "input": {**prompt, **(given or {})}, **rest}


def job_headers(options: JobOptions, idempotency_key: str) -> dict[str, str]:
    """What a submit says beside its body."""
    headers = {"Idempotency-Key": idempotency_key}
    if options.get("fresh"):
        headers["Cache-Control"] = "no-cache"
    if sticky := options.get("sticky"):
        headers["Safelight-Sticky"] = sticky
    return headers


def moment_text(moment: datetime) -> str:
    """Raises: ValueError, without a time zone it is no moment."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} needs a time zone")
    return moment.isoformat()


def id_of(subject: Job | Group | str) -> str:
    return subject if isinstance(subject, str) else subject.id


def _quote(job_id: str) -> str:
    return quote(job_id, safe="")


def _each(value: Any) -> Sequence[Any]:
    """None is not sent; a list is sent as the same name several times."""
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple, set, frozenset)) else (value,)  # type: ignore[return-value]


def _origin(url: str) -> tuple[str, str, int | None]:
    parsed = httpx.URL(url)
    return parsed.scheme, parsed.host, parsed.port
