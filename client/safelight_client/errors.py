"""What can go wrong, one base class. What the server says is a `Problem` (RFC 9457), typed by its status."""

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from safelight_client.values import Group, Job

_SHOWN_CHARACTERS = 200


class SafelightError(Exception):
    """Any fault this client raises by itself."""


class Unreachable(SafelightError):
    """The server did not answer, however often it was asked."""


class UnexpectedAnswer(SafelightError):
    """The answer is not what a Safelight server sends."""


class CorruptDownload(SafelightError):
    """The bytes that came are not the ones the job lists."""


class JobFailed(SafelightError):
    """A job ended otherwise than in success. `job` is the job."""

    def __init__(self, job: Job) -> None:
        error = f": {job.error.code}: {job.error.message}" if job.error else ""
        super().__init__(f"job {job.id} {job.status}{error}")
        self.job = job


class WaitTimeout(SafelightError, TimeoutError):
    """A job, or a group, was not finished in time; it goes on. `job`, or `group`, is how it stood."""

    def __init__(self, subject: Job | Group) -> None:
        self.job = subject if isinstance(subject, Job) else None
        self.group = subject if isinstance(subject, Group) else None
        kind = "job" if self.job else "group"
        super().__init__(f"{kind} {subject.id} is still {subject.status}")


@dataclass(frozen=True)
class FieldFault:
    """One wrong field of a request."""

    field: str
    detail: str
    pointer: str = ""


class Problem(SafelightError):
    """The server refused. `retry_after` is in seconds, where it gave one."""

    def __init__(self, status: int, document: dict[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.type = str(document.get("type", "about:blank"))
        self.title = str(document.get("title", ""))
        self.detail = str(document.get("detail", ""))
        self.errors = tuple(_field_fault(fault) for fault in document.get("errors") or ())
        self.retry_after = retry_after
        faults = "".join(f"\n  {fault.field}: {fault.detail}" for fault in self.errors)
        super().__init__(f"{status} {self.title}: {self.detail}{faults}")


class Unauthorized(Problem):
    """401: no key, or one the server does not know."""


class Forbidden(Problem):
    """403: the key does not allow this."""


class NotFound(Problem):
    """404: not there, or not yours."""


class Conflict(Problem):
    """409: the job's state does not allow it, or its idempotency key belongs to another body."""


class TooLarge(Problem):
    """413: the request is larger than the server accepts."""


class InvalidInput(Problem):
    """422: `errors` names each wrong field."""


class TooManyRequests(Problem):
    """429: over a quota."""


class Unavailable(Problem):
    """503: overloaded, or a part the request needs is away."""


_BY_STATUS: dict[int, type[Problem]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: InvalidInput,
    429: TooManyRequests,
    503: Unavailable,
}


def problem_of(answer: httpx.Response, now: datetime | None = None) -> Problem:
    """The problem in an answer that was read whole; also where a proxy on the way answered in its own words."""
    try:
        document = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        document = None
    if not isinstance(document, dict):
        document = {"title": answer.reason_phrase, "detail": answer.text.strip()[:_SHOWN_CHARACTERS]}
    retry_after = _seconds(answer.headers.get("retry-after"), now or datetime.now(timezone.utc))
    return _BY_STATUS.get(answer.status_code, Problem)(answer.status_code, document, retry_after)


def _field_fault(fault: dict[str, Any]) -> FieldFault:
    return FieldFault(str(fault.get("field", "")), str(fault.get("detail", "")), str(fault.get("pointer", "")))


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    """Retry-After is seconds or a date."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - now).total_seconds())
    except (ValueError, TypeError):
        return None
