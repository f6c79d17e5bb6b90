"""One attempt at a batch of jobs, in five steps: claim ► load ► generate ► store ► conclude. A conclusion claims what
is next, so that a busy worker commits once for each batch; where a batch takes long, it is stored and concluded while
the next one runs."""

import contextlib
import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from config.failpoints import failpoint
from jobs import lifecycle
from jobs.errors import (
    Interrupted,
    ModelFault,
    ModelNotFound,
    ModelUnavailable,
    ModelUnknown,
    OutOfMemory,
    StoreUnavailable,
)
from jobs.identity import new_job_id
from jobs.values import Fault, Job, Output
from models.catalog import Catalog
from models.entry import Entry
from models.runner import Media, Result, Runner
from storage.claiming.claims import Ending, Wanted
from storage.media.artifacts import ArtifactStore
from workers.attempts.attachments import attach
from workers.attempts.bench import Bench
from workers.attempts.companions import gather, room
from workers.attempts.generation import generate
from workers.attempts.lease import Lease

log = logging.getLogger(__name__)

Turnover = tuple[list[Job | None], list[Job]]

_AT_ONCE = timedelta(seconds=0.02)
_SHIFT_S = 5.0  # then other queues of this worker have their turn
_LONG_S = 0.1  # what a batch must take before a commit of its own for its end matters little
_CONCLUDE_PATIENCE_S = 60.0  # how long a finished attempt waits for a database that is away


@dataclass(frozen=True, slots=True)
class Work:
    """What running a batch came to: a result for each job, and the seconds it took."""

    results: Mapping[str, Result]
    load_s: float
    run_s: float
    details: str  # the traceback of a fault
    contexts: Mapping[str, Mapping[str, Any]]  # in what circumstances each result was made


def work_off(bench: Bench, queue: str) -> int:
    """Attempt batch after batch of the queue, as long as there is something to claim.

    Returns:
        How many jobs were claimed.
    """
    until = time.monotonic() + _SHIFT_S
    jobs, count = claim(bench, queue), 0
    while jobs:
        jobs += _begun(bench, gather(bench, jobs))
        count += len(jobs)
        jobs = attempt(bench, queue, jobs, more=time.monotonic() < until)
    bench.hands.rest()
    if count and time.monotonic() >= until:
        bench.doorbell.ring([(new_job_id(), queue)])  # behind the bells of other queues
    return count


def attempt(bench: Bench, queue: str, jobs: Sequence[Job], *, more: bool) -> list[Job]:
    """Carry claimed jobs to a conclusion.

    Returns:
        The jobs that were claimed with that, if `more` were wanted.
    """
    began = time.monotonic()
    lease = Lease(
        bench.claims,
        jobs,
        lease_s=bench.lease_s,
        heartbeat_s=bench.heartbeat_s,
        draining=bench.draining,
    )
    with contextlib.ExitStack() as holding:
        holding.enter_context(bench.hands.holding(lease))
        work = run(bench, jobs, lease)
        if more and work.run_s >= _LONG_S:
            bench.hands.finish_beside(partial(_finish, bench, jobs, work, lease, holding.pop_all()))
            following = claim(bench, queue)
        elif more and _came_at_once(jobs[0]):
            conclude(bench, jobs, work, lease)
            following = claim(bench, queue)
        else:
            following = conclude(bench, jobs, work, lease, _wanted(bench, queue) if more else None)
    if all(isinstance(work.results.get(job.id), list) for job in jobs):
        whole_s = time.monotonic() - began - work.load_s
        bench.paces.note(f"{jobs[0].model}@{jobs[0].model_version}", jobs, whole_s)
    return following


def _finish(
    bench: Bench, jobs: Sequence[Job], work: Work, lease: Lease, holding: "contextlib.ExitStack[Any]"
) -> None:
    """Store and conclude beside the next batch: nobody waits for it, and so nobody hears how it went."""
    try:
        with holding:
            conclude(bench, jobs, work, lease)
    except StoreUnavailable as fault:
        log.warning("not concluded, the leases will run out: %s", fault)
    except Exception:  # the next batch has nothing to do with it
        log.exception("a batch could not be finished: its leases will run out")


def claim(bench: Bench, queue: str) -> list[Job]:
    if bench.draining.is_set():
        return []
    wanted = _wanted(bench, queue)
    claimed = bench.claims.claim(
        queue, bench.name, bench.lease_s, wanted.companions, warm=wanted.warm, batch_first=wanted.batch_first
    )
    bench.shares.note(queue, claimed)
    return _begun(bench, claimed)


def run(bench: Bench, jobs: Sequence[Job], lease: Lease) -> Work:
    """Load and generate. A fault of the whole batch becomes each member's own."""
    started, load_s = time.monotonic(), 0.0
    results: dict[str, Result] = {}
    contexts: dict[str, Mapping[str, Any]] = {}
    details = ""
    try:
        entry = _entry(bench.catalog, jobs[0])
        lease.confirm()  # the stop may have come between the claim and the lease, when nobody could hand back
        lease.expect_sign_within(entry.limits.load_timeout_s)
        runner, load_s = load(bench, entry)
        lease.confirm()
        lease.expect_sign_within(entry.limits.step_timeout_s)
        started = time.monotonic()
        attached, faults = attach(bench, entry, jobs)
        able = [job for job in jobs if job.id in attached]
        made = generate(bench, entry, runner, able, lease, attached) if able else {}
        results = {**faults, **{job_id: one.result for job_id, one in made.items()}}
        contexts = {job_id: one.context for job_id, one in made.items()}
    except Interrupted:
        pass
    except StoreUnavailable as fault:  # nothing was tried yet: it goes back, at no cost to it
        log.warning("inputs cannot be looked up: %s", fault)
    except ModelFault as fault:
        results, details = dict.fromkeys((job.id for job in jobs), fault), traceback.format_exc()
    except Exception as fault:  # an attempt must conclude, whatever happened to it
        log.exception("attempt failed unexpectedly")
        unexpected = ModelFault(f"{type(fault).__name__}: {fault}")
        results, details = dict.fromkeys((job.id for job in jobs), unexpected), traceback.format_exc()
    return Work(results, round(load_s, 6), round(time.monotonic() - started, 6), details, contexts)


def load(bench: Bench, entry: Entry) -> tuple[Runner, float]:
    """The runner and the seconds it took, 0.0 when it was there. The model's circuit hears how it went."""
    try:
        runner, load_s = bench.models.take(entry)
    except (ModelUnavailable, OutOfMemory) as fault:
        with contextlib.suppress(StoreUnavailable):
            bench.circuits.failed(entry.full_name, str(fault))
        raise
    if load_s:
        with contextlib.suppress(StoreUnavailable):  # a breaker that hears nothing must not cost the job its attempt
            bench.circuits.worked(entry.full_name)
    return runner, load_s


def store(bench: Bench, result: Result) -> list[Output] | Fault:
    """Bytes first, then the row: what was stored in vain is swept later."""
    if isinstance(result, ModelFault):
        return Fault(result.code, str(result), result.retryable)
    try:
        return [_stored(bench.artifacts, media) for media in result]
    except OSError as fault:
        return Fault("storage_full", f"The result could not be stored: {fault.strerror}.", retryable=True)


def conclude(bench: Bench, jobs: Sequence[Job], work: Work, lease: Lease, wanted: Wanted | None = None) -> list[Job]:
    """Say of every job how its attempt ended, guarded by the fence, all in one transaction, and claim in it what
    is `wanted` next.

    Returns:
        The jobs that were claimed.
    """
    failpoint("generate:done")
    endings = [_ending(bench, job, work, lease) for job in jobs]
    failpoint("store:done")
    concluded, claimed = _patiently(
        lambda: bench.claims.turn_over(endings, None if bench.draining.is_set() else wanted)
    )
    bench.shares.note(wanted.queue if wanted else "", claimed)
    bench.bus.changed()
    bench.doorbell.ring_courier(concluded)
    for before, after in zip(jobs, concluded, strict=True):
        if after is None:
            log.warning("job %s: the lease had passed on, the result is dropped", before.id)
        else:
            bench.narrator.ended(after, work.run_s)
    refused = [ending for ending, after in zip(endings, concluded, strict=True) if not (after and after.outputs)]
    drop(bench, [key for ending in refused for key in ending.stored])
    return _begun(bench, claimed)


def drop(bench: Bench, keys: Sequence[str]) -> None:
    """Bytes whose conclusion was refused: those that nobody else lists are in nobody's interest."""
    try:
        bench.orphans.set_aside(keys)
    except (StoreUnavailable, OSError) as fault:
        log.warning("what was stored in vain waits for the sweep: %s", fault)


def _came_at_once(lead: Job) -> bool:
    """It did not have to wait, so hardly anybody waits behind it: its end is told before a look at who is next."""
    return lead.started_at is not None and lead.started_at - lead.run_after < _AT_ONCE


def _wanted(bench: Bench, queue: str) -> Wanted:
    warm = bench.affinity.look(queue, bench.models.names)
    batch_first = bench.shares.batch_first(queue)
    return Wanted(queue, bench.name, bench.lease_s, partial(room, bench), warm, batch_first)


def _begun(bench: Bench, jobs: list[Job]) -> list[Job]:
    """Tell that these jobs were claimed."""
    if jobs:
        bench.bus.changed()
        bench.doorbell.ring_courier(jobs)
        bench.narrator.started(jobs)
    return jobs


def _entry(catalog: Catalog, job: Job) -> Entry:
    try:
        return catalog.find(f"{job.model}@{job.model_version}")
    except ModelNotFound as missing:
        raise ModelUnknown(str(missing)) from missing


def _stored(artifacts: ArtifactStore, media: Media) -> Output:
    stored = artifacts.put(media.data, media.media_type)
    return Output(
        key=stored.key,
        sha256=stored.sha256,
        media_type=media.media_type,
        bytes=stored.bytes,
        width=media.width,
        height=media.height,
        duration_s=media.duration_s,
        seed=media.seed,
    )


def _ending(bench: Bench, job: Job, work: Work, lease: Lease) -> Ending:
    """The change that ends this job's attempt."""
    result = work.results.get(job.id)
    if lease.was_canceled(job.id):
        return Ending(job.id, job.fence, lifecycle.stop)
    if result is None or not lease.wants(job.id):
        return Ending(job.id, job.fence, lifecycle.hand_back)
    outcome = store(bench, result)
    if isinstance(outcome, Fault):
        return Ending(job.id, job.fence, lambda current, now: lifecycle.fail(current, outcome, now, work.details))
    how: dict[str, Any] = {"load_s": work.load_s, "run_s": work.run_s, "context": work.contexts.get(job.id)}
    stored = [output.key for output in outcome]
    return Ending(
        job.id,
        job.fence,
        lambda current, now: lifecycle.succeed(current, outcome, now, **how),
        stored,
        job.lineage.race,
    )


def _patiently(conclude_once: Callable[[], Turnover]) -> Turnover:
    """A finished picture is worth waiting for a database that is being restarted; the lease stays guarded
    by its fence however long that takes."""
    give_up_at = time.monotonic() + _CONCLUDE_PATIENCE_S
    while True:
        try:
            return conclude_once()
        except StoreUnavailable as fault:
            if time.monotonic() > give_up_at:
                raise
            log.warning("conclusion waits: %s", fault)
            time.sleep(0.5)
