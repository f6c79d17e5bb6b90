"""A delivery: one event of a job on its way to the job's webhook. What it is, what it says, and what follows
from how a try went. Pure, as the lifecycle is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from jobs.document import Document, job_document, timestamp
from jobs.group_document import group_document
from jobs.groups import Group
from jobs.prediction import prediction_document
from jobs.values import Event, Job, Status

_ERROR_CHARACTERS = 500
_OF_A_GROUP = '{"type":"group.'


class DeliveryStatus(StrEnum):
    """Where a delivery stands. `dead`: given up, until somebody has it delivered again."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as its row stands. The comments say how each field moves over time."""

    id: str  # the webhook-id, the same at every try; never changes
    tenant: str  # never changes
    job_id: str  # of the job, or of the group, that it tells of; never changes
    event: Event  # never changes
    url: str  # never changes
    host: str  # of the URL; never changes
    body: str  # the bytes that are signed and sent: the job as it stood at the event; never changes
    status: DeliveryStatus
    tries: int  # +1 with every try; back to 0 when somebody has it delivered again
    fence: int  # +1 with every try; never reset; what a courier writes is guarded by it
    lease_until: datetime | None  # set while a courier tries it
    next_try_at: datetime | None  # None once it is delivered or dead
    last_tried_at: datetime | None
    last_status: int | None  # what the receiver answered at the last try, if it did
    last_error: str | None  # why the last try failed; None after a success
    created_at: datetime
    finished_at: datetime | None  # set when it is delivered or dead

    @property
    def subject(self) -> str:
        """Where what it tells of can be looked at."""
        return f"/v1/{'groups' if self.body.startswith(_OF_A_GROUP) else 'jobs'}/{self.job_id}"


@dataclass(frozen=True, slots=True)
class Answer:
    """How one try went: the receiver's status code, or the reason why there was none."""

    status_code: int | None
    error: str | None = None

    @property
    def accepted(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300


def event_of(job: Job) -> Event | None:
    """Which event a job has reached whose status has just changed. Only the first claim is a start: a job that
    was lost, handed back or retried starts again, and its client knows that it was started."""
    if job.status is Status.RUNNING and job.attempt == 1:
        return Event.STARTED
    return Event.COMPLETED if job.final else None


def announce(job: Job, event: Event, delivery_id: str, now: datetime | None = None) -> Delivery:
    """The delivery that tells the job's webhook of this event, due at once. `now`: for one that is written down
    later than the event."""
    assert job.webhook is not None
    moment = now or (job.finished_at if event is Event.COMPLETED else job.started_at)
    assert moment is not None
    payload = _payload(job, event, moment, delivery_id)
    return _due_at_once(delivery_id, job.tenant, job.id, event, job.webhook.url, payload, moment)


def announce_group(group: Group, delivery_id: str) -> Delivery:
    """The delivery that tells a group's webhook of its end, due at once."""
    assert group.webhook is not None
    assert group.finished_at is not None
    moment = group.finished_at
    payload = {"type": "group.completed", "timestamp": timestamp(moment), "data": group_document(group)}
    return _due_at_once(delivery_id, group.tenant, group.id, Event.COMPLETED, group.webhook, payload, moment)


def _due_at_once(
    delivery_id: str, tenant: str, subject: str, event: Event, url: str, payload: Document, moment: datetime
) -> Delivery:
    return Delivery(
        id=delivery_id,
        tenant=tenant,
        job_id=subject,
        event=event,
        url=url,
        host=urlsplit(url).hostname or "",
        body=json.dumps(payload, separators=(",", ":"), ensure_ascii=False),
        status=DeliveryStatus.PENDING,
        tries=0,
        fence=0,
        lease_until=None,
        next_try_at=moment,
        last_tried_at=None,
        last_status=None,
        last_error=None,
        created_at=moment,
        finished_at=None,
    )


def settle(
    delivery: Delivery, answer: Answer, waits: Sequence[float], spread: float, now: datetime
) -> dict[str, Any]:
    """What to write after a try: delivered, dead (410 Gone, or the waits are used up), or when to try again.
    `spread` scales the wait, so that what failed together is not tried again together."""
    learnt = {
        "lease_until": None,
        "last_status": answer.status_code,
        "last_error": None if answer.accepted else _reason(answer)[:_ERROR_CHARACTERS],
    }
    if answer.accepted:
        return learnt | _finished(DeliveryStatus.DELIVERED, now)
    if answer.status_code == HTTPStatus.GONE or delivery.tries > len(waits):
        return learnt | _finished(DeliveryStatus.DEAD, now)
    return learnt | {"next_try_at": now + timedelta(seconds=waits[delivery.tries - 1] * spread)}


def deliver_again(now: datetime) -> Mapping[str, Any]:
    """What to write when somebody wants it delivered again: due at once, with all its tries before it."""
    return {"status": DeliveryStatus.PENDING.value, "tries": 0, "next_try_at": now, "finished_at": None}


def delivery_document(delivery: Delivery) -> Document:
    path = f"/v1/webhooks/deliveries/{delivery.id}"
    return {
        "id": delivery.id,
        "job_id": delivery.job_id,
        "event": delivery.event.value,
        "url": delivery.url,
        "status": delivery.status.value,
        "tries": delivery.tries,
        "next_try_at": timestamp(delivery.next_try_at),
        "last_tried_at": timestamp(delivery.last_tried_at),
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "created_at": timestamp(delivery.created_at),
        "finished_at": timestamp(delivery.finished_at),
        "urls": {"self": path, "redeliver": f"{path}/redeliver", "job": delivery.subject},
    }


def _payload(job: Job, event: Event, moment: datetime, delivery_id: str) -> Document:
    form = job.webhook.form if job.webhook else ""
    if form == "replicate" and job.webhook:
        return prediction_document(job, job.webhook.origin)
    if form == "openai":
        verb = event.value if event is Event.STARTED or job.status is Status.SUCCEEDED else "failed"
        head = {"id": f"evt_{delivery_id}", "object": "event", "type": f"video.{verb}"}
        return {**head, "created_at": int(moment.timestamp()), "data": {"id": job.id}}
    return {"type": f"job.{event}", "timestamp": timestamp(moment), "data": job_document(job, now=moment)}


def _finished(status: DeliveryStatus, now: datetime) -> dict[str, Any]:
    return {"status": status.value, "next_try_at": None, "finished_at": now}


def _reason(answer: Answer) -> str:
    return answer.error or f"the receiver answered {answer.status_code}"
