"""Placing the jobs that a body asks for, and waiting for them as long as the client does."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fastapi import Request

from api.context import Context
from api.desk import orders
from api.desk.company import see_off
from api.web.problems import JobFailed, NotFinished
from forms.dialect import Wish
from jobs.values import Job, Status, Submission

_WAIT_MOST_S = 3600.0
_GRACE_S = 1.0


async def place(request: Request, context: Context, wish: Wish, likeness: Wish | None = None) -> list[Job]:
    """The committed jobs. What the client sends again it marks, and that makes no second job: `jobs.values.Resend`.
    It is known again by its likeness, if that is not the wish itself.

    Raises:
        InvalidInput: naming each wrong field; then no job was made.
        IdempotencyConflict: the key belongs to another body.
        Overloaded, CircuitOpen: not now.
    """
    known_by = (likeness or wish).jobs
    checked = [_checked(request, context, body, known_by[number], number) for number, body in enumerate(wish.jobs)]
    if wish.entry.media_kind == "video":
        checked = [_told_of_as_a_video(order) for order in checked]
    return [job for job, _ in await asyncio.gather(*(orders.submit(context, one) for one in checked))]


def _checked(
    request: Request, context: Context, body: dict[str, Any], known_by: dict[str, Any], number: int
) -> Submission:
    key = request.headers.get("idempotency-key")
    return orders.check_order(
        context,
        body,
        idempotency_key=f"{key}#{number}" if key and number else key,
        resend_count=request.headers.get("x-stainless-retry-count"),
        path=f"{request.scope['path']}#{number}",
        fresh=orders.wants_fresh(request.headers.get("cache-control")),
        sticky=request.headers.get("safelight-sticky"),
        sent=known_by,
    )


def _told_of_as_a_video(order: Submission) -> Submission:
    return replace(order, webhook=order.webhook and replace(order.webhook, form="openai"))


async def finish(request: Request, context: Context, jobs: Sequence[Job]) -> list[Job]:
    """The jobs, all of them succeeded.

    Raises:
        JobFailed: one of them did not.
        NotFinished: the client's patience is over.
    """
    ended = await see_off(request, context, jobs, _patience(request))
    for job in ended:
        check_ended(job)
    return ended


def check_ended(job: Job) -> None:
    """Raises: JobFailed, NotFinished, unless it succeeded."""
    if not job.final:
        raise NotFinished(f"The job {job.id} was not finished in time; it goes on.")
    if job.status is Status.SUCCEEDED:
        return
    if job.error and job.status is Status.FAILED:
        raise JobFailed(job.error.message, job.error.code)
    code = "cancelled" if job.status is Status.CANCELED else job.status.value
    raise JobFailed(f"The job {job.id} was {code}.", code)


def _patience(request: Request) -> float:
    """As long as the client's own, and a little longer: that its time is up, it tells its user itself."""
    try:
        seconds = float(request.headers.get("x-stainless-read-timeout", _WAIT_MOST_S))
    except ValueError:
        seconds = _WAIT_MOST_S
    return min(max(seconds, 0.0), _WAIT_MOST_S) + _GRACE_S if math.isfinite(seconds) else _WAIT_MOST_S
