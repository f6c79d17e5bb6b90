"""Every way a job may change, as pure constructors of a `Change`.

A constructor only describes; `storage` applies a change in one guarded UPDATE. Nothing here reads a clock:
`now` is a parameter. The chart in docs/lifecycle.md is generated from `TRANSITIONS`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from jobs.values import RETRYABLE, Fault, IfNeedFails, Job, Output, Status, Submission

BACKOFF_FIRST_S = 1.0
BACKOFF_MOST_S = 10.0

WORKER_LOST = Fault("worker_lost", "The worker that ran this job died or froze.", retryable=True)
NEED_FAILED = Fault("dependency_failed", "A job that this one depends on ended without a result.", retryable=False)
HANDED_BACK = Fault("handed_back", "The worker was stopped before the job was done.", retryable=True)


@dataclass(frozen=True, slots=True)
class Change:
    """What to write (`values`, and columns to count up in `increments`), and only if the row still has one
    of the `before` statuses and, where a worker writes, still carries its `fence`."""

    verb: str
    before: frozenset[Status]
    values: Mapping[str, Any]
    fence: int | None = None
    increments: Mapping[str, int] = field(default_factory=dict)
    at: datetime | None = None  # when an attempt ended, and
    details: str = ""  # what its history shall keep besides the fault: a traceback


TRANSITIONS: tuple[tuple[str, Status, Status], ...] = (
    ("claim", Status.QUEUED, Status.RUNNING),
    ("succeed", Status.RUNNING, Status.SUCCEEDED),
    ("fail", Status.RUNNING, Status.FAILED),
    ("retry later", Status.RUNNING, Status.QUEUED),
    ("lose", Status.RUNNING, Status.QUEUED),
    ("give up", Status.RUNNING, Status.FAILED),
    ("hand back", Status.RUNNING, Status.QUEUED),
    ("request cancel", Status.RUNNING, Status.RUNNING),
    ("stop", Status.RUNNING, Status.CANCELED),
    ("cancel", Status.QUEUED, Status.CANCELED),
    ("expire", Status.QUEUED, Status.EXPIRED),
    ("release", Status.WAITING, Status.QUEUED),
    ("miss", Status.WAITING, Status.FAILED),
    ("skip", Status.WAITING, Status.CANCELED),
    ("cancel", Status.WAITING, Status.CANCELED),
    ("expire", Status.WAITING, Status.EXPIRED),
    ("reuse", Status.WAITING, Status.SUCCEEDED),
    ("retry", Status.FAILED, Status.QUEUED),
    ("retry", Status.CANCELED, Status.QUEUED),
    ("retry", Status.EXPIRED, Status.QUEUED),
    ("wait again", Status.FAILED, Status.WAITING),
    ("wait again", Status.CANCELED, Status.WAITING),
    ("wait again", Status.EXPIRED, Status.WAITING),
)

_QUEUED = frozenset({Status.QUEUED})
_WAITING = frozenset({Status.WAITING})
_RUNNING = frozenset({Status.RUNNING})


def submit(wanted: Submission, now: datetime) -> Job:
    """The job as it is first committed, with `seq` 1: queued and claimable at once, or waiting for what it needs."""
    return Job(
        id=wanted.id,
        tenant=wanted.tenant,
        queue=wanted.queue,
        model=wanted.model,
        model_version=wanted.model_version,
        priority=wanted.priority,
        status=Status.WAITING if wanted.needs else Status.QUEUED,
        input=wanted.input,
        metadata=wanted.metadata,
        batch_key=wanted.batch_key,
        units=wanted.units,
        steps=wanted.steps,
        work=wanted.work,
        webhook=wanted.webhook,
        lineage=wanted.lineage,
        needs=wanted.needs,
        cache_key=wanted.cache_key,
        consequential=wanted.consequential,
        cached=False,
        context=None,
        seq=1,
        attempt=0,
        max_attempts=wanted.max_attempts,
        strikes=0,
        fence=0,
        worker=None,
        lease_until=None,
        run_after=now,
        deadline=wanted.deadline,
        cancel_requested=False,
        outputs=(),
        error=None,
        created_at=now,
        started_at=None,
        finished_at=None,
        load_s=None,
        run_s=None,
    )


def answer(wanted: Submission, twin: Job, now: datetime) -> Job:
    """The job as it is first committed when identical work was done before: with its result, finished at once."""
    job = submit(wanted, now)
    return replace(
        job, status=Status.SUCCEEDED, outputs=twin.outputs, context=twin.context, cached=True, finished_at=now
    )


def follow(wanted: Submission, now: datetime) -> Job:
    """The job as it is first committed when identical work is under way: waiting for its result."""
    return replace(submit(wanted, now), status=Status.WAITING)


def claim(worker: str, lease_s: float, now: datetime) -> Change:
    """A worker takes queued jobs under a lease."""
    values = {
        "status": Status.RUNNING,
        "worker": worker,
        "lease_until": now + timedelta(seconds=lease_s),
        "started_at": now,
        "cancel_requested": False,
        "load_s": None,
        "run_s": None,
    }
    return Change("claim", _QUEUED, values, increments={"attempt": 1, "fence": 1})


def succeed(
    job: Job,
    outputs: Sequence[Output],
    now: datetime,
    *,
    load_s: float | None = None,
    run_s: float | None = None,
    context: Mapping[str, Any] | None = None,
) -> Change:
    """The holder publishes its result. A cancel that came too late loses to it."""
    values = {
        **_ended(Status.SUCCEEDED, now),
        "outputs": [output.cells for output in outputs],
        "error": None,
        "load_s": load_s,
        "run_s": run_s,
        "context": context,
    }
    return Change("succeed", _RUNNING, values, job.fence, at=now)


def fail(job: Job, fault: Fault, now: datetime, details: str = "") -> Change:
    """The holder's attempt failed: again after a back-off while attempts are left, else for good."""
    if job.cancel_requested:
        return stop(job, now)
    strike = {"strikes": 1}
    if fault.retryable and job.attempt < job.max_attempts:
        values = _queued_again(fault, now + timedelta(seconds=backoff_s(job.attempt)))
        return Change("retry later", _RUNNING, values, job.fence, strike, now, details)
    values = {**_ended(Status.FAILED, now), "error": asdict(fault)}
    return Change("fail", _RUNNING, values, job.fence, strike, now, details)


def lose(job: Job, now: datetime, *, at_once: bool = False) -> Change:
    """Nobody holds this running job any more: its lease ran out, or its worker is known to be dead. Then it may
    run again `at_once`: whoever takes it is not the worker that died. Lost at its last attempt, it is given up."""
    change = fail(job, WORKER_LOST, now)
    if job.cancel_requested:
        return change
    if change.values["status"] is Status.FAILED:
        return replace(change, verb="give up")
    values = {**change.values, "run_after": now} if at_once else change.values
    return replace(change, verb="lose", values=values)


def hand_back(job: Job, now: datetime) -> Change:
    """The holder is being stopped: the job goes back at once, and the attempt does not count against it."""
    if job.cancel_requested:
        return stop(job, now)
    values = _queued_again(HANDED_BACK, now)
    return Change("hand back", _RUNNING, values, job.fence, {"max_attempts": 1}, now)


def stop(job: Job, now: datetime) -> Change:
    """The holder obeyed a cancel: its device is free."""
    return Change("stop", _RUNNING, {**_ended(Status.CANCELED, now), "error": None}, job.fence, at=now)


def cancel(job: Job, now: datetime) -> Change | None:
    """What a client's cancel means for the job as it stands; None when there is nothing left to do."""
    if job.status in (Status.QUEUED, Status.WAITING):
        return Change("cancel", _QUEUED | _WAITING, _ended(Status.CANCELED, now))
    if job.status is Status.RUNNING and not job.cancel_requested:
        return Change("request cancel", _RUNNING, {"cancel_requested": True}, fence=job.fence)
    return None


def expire(now: datetime) -> Change:
    """The deadline of a job that is queued, or waits, passed before anybody started it."""
    fault = Fault("deadline_exceeded", "The job was not started before its deadline.", retryable=True)
    return Change("expire", _QUEUED | _WAITING, {**_ended(Status.EXPIRED, now), "error": asdict(fault)})


def release(now: datetime) -> Change:
    """All that a waiting job needs is there."""
    return Change("release", _WAITING, {"status": Status.QUEUED, "run_after": now})


def miss(policy: IfNeedFails, now: datetime, fault: Fault = NEED_FAILED) -> Change:
    """What a waiting job needs will not come. Never of one that shall run all the same."""
    verb, status = ("skip", Status.CANCELED) if policy is IfNeedFails.SKIP else ("miss", Status.FAILED)
    return Change(verb, _WAITING, {**_ended(status, now), "error": asdict(fault)})


def reuse(twin: Job, now: datetime) -> Change:
    """The result that a waiting job wants is there: identical work, done for another."""
    values = {
        **_ended(Status.SUCCEEDED, now),
        "outputs": [asdict(output) for output in twin.outputs],
        "context": twin.context,
        "cached": True,
    }
    return Change("reuse", _WAITING, values)


def retry(job: Job, now: datetime) -> Change:
    """A person asks for another go at a job that ended without a result. If it needs others, it waits for them."""
    return retry_from(job.status, now, needs=bool(job.needs))


def retry_from(status: Status, now: datetime, *, needs: bool) -> Change:
    """The same for any job that ended in this status."""
    values: dict[str, Any] = {
        "status": Status.WAITING if needs else Status.QUEUED,
        "run_after": now,
        "finished_at": None,
        "started_at": None,
        "worker": None,
        "error": None,
        "cancel_requested": False,
    }
    if status is Status.EXPIRED:
        values["deadline"] = None
    verb = "wait again" if needs else "retry"
    return Change(verb, RETRYABLE & {status}, values, increments={"max_attempts": 1})


def backoff_s(attempt: int) -> float:
    """Seconds to wait after the given attempt (1, 2, …) failed: 1, 2, 4, 8, 10, 10, …"""
    return min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2.0 ** min(attempt - 1, 10))


def _ended(status: Status, now: datetime) -> dict[str, Any]:
    return {"status": status, "finished_at": now, "lease_until": None}


def _queued_again(fault: Fault, run_after: datetime) -> dict[str, Any]:
    return {"status": Status.QUEUED, "run_after": run_after, "lease_until": None, "error": asdict(fault)}
