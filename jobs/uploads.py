"""An upload: media that a client brought, or had us fetch from a URL, as an input of jobs. What it is, and what
follows from how a fetch went. Pure, as the lifecycle is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from jobs.document import Document, timestamp
from jobs.values import Fault

_ERROR_CHARACTERS = 500


class UploadStatus(StrEnum):
    """Where an upload stands. `pending`: its bytes are still to be fetched."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes in the artifact store under `key`, and what they are."""

    key: str
    sha256: str
    bytes: int
    media_type: str
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload as its row stands. The comments say how each field moves over time."""

    id: str  # UUIDv7 text; never changes
    tenant: str  # never changes
    status: UploadStatus
    filename: str | None  # as its client calls it; names nothing on our disk; never changes
    url: str | None  # where it is fetched from; None: a client brought the bytes; never changes
    host: str  # of the URL; never changes
    key: str | None  # this and what follows of the content are set once, when it is ready
    sha256: str | None
    bytes: int | None
    media_type: str | None
    width: int | None  # of pictures
    height: int | None
    error: str | None  # why it could not be fetched, as clients read it
    tries: int  # +1 with every try to fetch it; back to 0 when a job that needs it is retried
    fence: int  # +1 with every try; never reset; what a courier writes is guarded by it
    lease_until: datetime | None  # set while a courier fetches it
    next_try_at: datetime | None  # set while it is pending
    created_at: datetime
    expires_at: datetime | None  # forgotten then, unless a job used it since; None while it is pending


@dataclass(frozen=True, slots=True)
class Unfetched:
    """A try that brought nothing: why, in a sentence for clients, and whether another may bring more."""

    reason: str
    again: bool


def brought(
    upload_id: str, tenant: str, filename: str | None, content: Content, expires_at: datetime, now: datetime
) -> Upload:
    """Of bytes that a client has sent."""
    return Upload(
        id=upload_id,
        tenant=tenant,
        status=UploadStatus.READY,
        filename=filename,
        url=None,
        host="",
        key=content.key,
        sha256=content.sha256,
        bytes=content.bytes,
        media_type=content.media_type,
        width=content.width,
        height=content.height,
        error=None,
        tries=0,
        fence=0,
        lease_until=None,
        next_try_at=None,
        created_at=now,
        expires_at=expires_at,
    )


def wanted(upload_id: str, tenant: str, url: str, now: datetime) -> Upload:
    """Of a URL that some job names; to be fetched at once."""
    return Upload(
        id=upload_id,
        tenant=tenant,
        status=UploadStatus.PENDING,
        filename=None,
        url=url,
        host=urlsplit(url).hostname or "",
        key=None,
        sha256=None,
        bytes=None,
        media_type=None,
        width=None,
        height=None,
        error=None,
        tries=0,
        fence=0,
        lease_until=None,
        next_try_at=now,
        created_at=now,
        expires_at=None,
    )


def settle(
    upload: Upload, outcome: Content | Unfetched, waits: Sequence[float], spread: float, keep_s: float, now: datetime
) -> dict[str, Any]:
    """What to write after a try: the content, why there will be none, or when to try again. `spread` scales the wait,
    so that what failed together is not tried again together."""
    over = {"lease_until": None, "next_try_at": None, "expires_at": now + timedelta(seconds=keep_s)}
    if isinstance(outcome, Content):
        return {**over, "status": UploadStatus.READY.value, **_cells(outcome), "error": None}
    error = {"error": outcome.reason[:_ERROR_CHARACTERS]}
    if outcome.again and upload.tries <= len(waits):
        wait_s = waits[upload.tries - 1] * spread
        return {"lease_until": None, "next_try_at": now + timedelta(seconds=wait_s), **error}
    return {**over, "status": UploadStatus.FAILED.value, **error}


def fetch_again(now: datetime) -> dict[str, Any]:
    """What to write when a job that needs it is retried after it failed."""
    return {"status": UploadStatus.PENDING.value, "tries": 0, "next_try_at": now, "error": None, "expires_at": None}


def unavailable(upload: Upload) -> Fault:
    """Why a job ends that needs what could not be fetched."""
    return Fault("input_unavailable", f"{upload.url} could not be fetched: {upload.error}.", retryable=True)


def upload_document(upload: Upload) -> Document:
    return {
        "id": upload.id,
        "status": upload.status.value,
        "reference": f"upload:{upload.id}",
        "url": f"/v1/artifacts/{upload.key}" if upload.key else None,
        "media_type": upload.media_type,
        "bytes": upload.bytes,
        "sha256": upload.sha256,
        "width": upload.width,
        "height": upload.height,
        "filename": upload.filename,
        "source_url": upload.url,
        "error": upload.error,
        "created_at": timestamp(upload.created_at),
        "expires_at": timestamp(upload.expires_at),
    }


def _cells(content: Content) -> dict[str, Any]:
    return {
        "key": content.key,
        "sha256": content.sha256,
        "bytes": content.bytes,
        "media_type": content.media_type,
        "width": content.width,
        "height": content.height,
    }
