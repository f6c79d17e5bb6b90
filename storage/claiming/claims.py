"""Claims and leases: who works on what, until when, and what nobody works on any more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    bindparam,
    delete,
    literal_column,
    select,
    update,
)

from config.failpoints import failpoint
from jobs import lifecycle
from jobs.lifecycle import Change
from jobs.values import Job, Priority
from storage.changes.changing import change_all, change_each
from storage.changes.feed import append, entry_of
from storage.changes.rows import JOB_COLUMNS, job_of
from storage.claiming.affinity import find_warm
from storage.claiming.circuits import Opened, begin_probe, not_closed, unblocked
from storage.claiming.due import CLAIM_ORDER, DUE
from storage.claiming.queues import waiting_queues
from storage.engine import Database
from storage.jobs.races import enter_races, outrun
from storage.lists import one_of, pair_of
from storage.statuses import NOT_STARTED, RUNNING
from storage.tables import JOBS


@dataclass(frozen=True, slots=True)
class Holding:
    """What a heartbeat learnt of one job: is it still ours, and should it stop?"""

    held: bool
    cancel_requested: bool = False


_LOST = Holding(held=False)


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended: a change of the job, said by the holder of that fence."""

    job_id: str
    fence: int
    change: Callable[[Job, datetime], Change]
    stored: Sequence[str] = ()  # keys of the bytes that it would publish
    race: str | None = None  # the group of which only the first few may succeed


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a worker would claim: the best of a queue, and so many companions of it."""

    queue: str
    worker: str
    lease_s: float
    companions: Callable[[Job], int]
    warm: Sequence[str] = ()  # models (name@version) that it would rather have than what is best
    batch_first: bool = False  # it is the turn of batch jobs, if one waits


class Claims:
    """The workers' side of the job store.

    Raises:
        StoreUnavailable: from every method, when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def claim(
        self,
        queue: str,
        worker: str,
        lease_s: float,
        companions: Callable[[Job], int],
        *,
        warm: Sequence[str] = (),
        batch_first: bool = False,
    ) -> list[Job]:
        """Take the best claimable job of the queue, or one as urgent whose model is `warm` (but the best of its batch
        jobs, if these are `batch_first` and one waits), and, while `companions(job)` allows, others of the same batch
        key. A job whose attempt failed or was lost runs alone, so that it can do its neighbours no harm, and so does
        the probe of a half-open circuit. One transaction; two workers never get the same job.

        Returns:
            The claimed jobs, best first; empty when nothing is claimable.
        """
        wanted = Wanted(queue, worker, lease_s, companions, warm, batch_first)
        with self.database.writing_now() as (connection, now):
            claimed = _claim(connection, wanted, now)
            failpoint("claim:committing")
        failpoint("claim:committed")
        return claimed

    def join(self, lead: Job, worker: str, lease_s: float, most: int) -> list[Job]:
        """Further companions for a job that this worker holds, with leases of their own: what `claim` would have
        taken, had they been there."""
        with self.database.writing_now() as (connection, now):
            ids = _companions(connection, lead, most, now, not_closed(connection))
            return change_all(connection, ids, lifecycle.claim(worker, lease_s, now)) if ids else []

    def renew(self, fences: Mapping[str, int], lease_s: float) -> dict[str, Holding]:
        """One heartbeat for all jobs a worker holds: prolong each lease, learn of cancels."""
        if not fences:
            return {}
        with self.database.writing_now() as (connection, now):
            until = now + timedelta(seconds=lease_s)
            held_by_us = {"fences": list(fences.items()), "until": until}
            rows = connection.execute(_RENEW, held_by_us).all()
        held = {row.id: Holding(True, row.cancel_requested) for row in rows}
        return {job_id: held.get(job_id, _LOST) for job_id in fences}

    def conclude(self, endings: Sequence[Ending]) -> list[Job | None]:
        """Apply a worker's word on each job it claimed, all in one transaction. It is said of the job as it
        stands now, so that a cancel of the last moment counts; None where the lease had passed on."""
        return self.turn_over(endings, None)[0]

    def turn_over(self, endings: Sequence[Ending], wanted: Wanted | None) -> tuple[list[Job | None], list[Job]]:
        """Conclude, and claim what is next in the same transaction: one commit for each batch of a busy worker.

        Returns:
            What `conclude` and `claim` return.
        """
        with self.database.writing_now() as (connection, now):
            races = [ending.race for ending in endings if ending.race]
            enter_races(connection, races)
            rows = connection.execute(_LOCK, {"ids": [ending.job_id for ending in endings]})
            current = {job.id: job for job in map(job_of, rows)}
            concluded = _conclude(connection, endings, current, now)
            if races:  # who has waited for others begins his lease now
                now = self.database.now(connection)
            claimed = _claim(connection, wanted, now) if wanted else []
            failpoint("conclude:committing")
        failpoint("conclude:committed")
        return concluded, claimed

    def release(self, worker: str) -> list[Job]:
        """Free at once everything a worker held that is known to be dead. Never call it of a living one."""
        return self._lose(JOBS.c.worker == worker)

    def holders(self) -> set[str]:
        """The names of all workers that hold a lease."""
        with self.database.reading() as connection:
            held = select(JOBS.c.worker).where(RUNNING).distinct()
            return {name for name in connection.execute(held).scalars() if name}

    def lose_expired(self, limit: int = 100) -> list[Job]:
        """Free jobs whose lease ran out."""
        return self._lose(None, limit)

    def expire_overdue(self, limit: int = 100) -> list[Job]:
        """Jobs past their deadline, queued or waiting, that were never started."""
        with self.database.writing_now() as (connection, now):
            overdue = (
                select(JOBS.c.id)
                .where(NOT_STARTED, JOBS.c.deadline <= now, JOBS.c.attempt == 0)
                .order_by(JOBS.c.deadline)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            ids = connection.execute(overdue).scalars().all()
            return change_all(connection, ids, lifecycle.expire(now)) if ids else []

    def retire(self, age_s: float, limit: int = 500) -> int:
        """Forget jobs that were finished so long ago; says how many of them, `limit` at the most."""
        with self.database.writing() as connection:
            before = self.database.now(connection) - timedelta(seconds=age_s)
            old = select(*JOB_COLUMNS).where(JOBS.c.finished_at < before).order_by(JOBS.c.finished_at).limit(limit)
            retired = [job_of(row) for row in connection.execute(old.with_for_update(skip_locked=True))]
            if retired:
                connection.execute(delete(JOBS).where(JOBS.c.id.in_([job.id for job in retired])))
                append(connection, [entry_of(job, "retire") for job in retired])
            return len(retired)

    def claimable(self, queue: str, limit: int) -> list[str]:
        """Ids of jobs that a worker could claim now, best first."""
        with self.database.reading() as connection:
            now = self.database.now(connection)
            query = select(JOBS.c.id).where(*DUE, unblocked(not_closed(connection), now))
            query = query.order_by(*CLAIM_ORDER).limit(limit)
            return list(connection.execute(query, {"of_queue": queue, "now": now}).scalars())

    def queues(self) -> list[str]:
        """Queues in which a job waits."""
        with self.database.reading() as connection:
            return list(waiting_queues(connection))

    def _lose(self, held_by: ColumnElement[bool] | None, limit: int = 10_000) -> list[Job]:
        with self.database.writing_now() as (connection, now):
            which = JOBS.c.lease_until < now if held_by is None else held_by
            query = (
                select(*JOB_COLUMNS)
                .where(RUNNING, which)
                .order_by(JOBS.c.lease_until)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            lost = [job_of(row) for row in connection.execute(query)]
            at_once = held_by is not None
            changed = change_each(connection, {job.id: lifecycle.lose(job, now, at_once=at_once) for job in lost})
        return [changed[job.id] for job in lost if job.id in changed]


# Made once: to make them anew costs SQLAlchemy more than to run them.
_BEST = select(*JOB_COLUMNS).where(*DUE).order_by(*CLAIM_ORDER).limit(1).with_for_update(skip_locked=True)
_BEST_OF_BATCH = _BEST.where(JOBS.c.priority == literal_column(str(int(Priority.BATCH))))
_COMPANIONS = (
    select(JOBS.c.id)
    .where(
        *DUE,
        JOBS.c.batch_key == bindparam("key"),
        JOBS.c.strikes == 0,
        JOBS.c.id != bindparam("lead"),
    )
    .order_by(*CLAIM_ORDER)
    .limit(bindparam("most", type_=Integer()))
    .with_for_update(skip_locked=True)
)
_LOCK = select(*JOB_COLUMNS).where(one_of(JOBS.c.id, "ids")).order_by(JOBS.c.id).with_for_update()
_MINE = (
    select(JOBS.c.id)
    .where(pair_of(JOBS.c.id, JOBS.c.fence, "fences"), RUNNING)
    .order_by(JOBS.c.id)  # as a conclusion locks them, or now and then each would wait for the other
    .with_for_update()
    .cte()
)
_RENEW = (
    update(JOBS)
    .where(JOBS.c.id.in_(select(_MINE.c.id)))
    .values(lease_until=bindparam("until"))
    .returning(JOBS.c.id, JOBS.c.cancel_requested)
)


def _claim(connection: Connection, wanted: Wanted, now: datetime) -> list[Job]:
    opened = not_closed(connection)
    lead = _best(connection, wanted.queue, opened, now, _BEST_OF_BATCH) if wanted.batch_first else None
    if lead is None and wanted.warm:
        claimable, lead = find_warm(connection, wanted.queue, wanted.warm, opened, now)
        if not claimable:
            return []
    lead = lead or _best(connection, wanted.queue, opened, now)
    if lead is None:
        return []
    alone = lead.strikes > 0 or begin_probe(connection, opened, lead, now)
    ids = [lead.id, *_companions(connection, lead, 0 if alone else wanted.companions(lead), now)]
    claimed = change_all(connection, ids, lifecycle.claim(wanted.worker, wanted.lease_s, now))
    return sorted(claimed, key=lambda job: (job.priority, job.id))


def _conclude(
    connection: Connection, endings: Sequence[Ending], current: Mapping[str, Job], now: datetime
) -> list[Job | None]:
    held = {ending.job_id: ending for ending in endings if _is_held(ending, current.get(ending.job_id))}
    wanted = {job_id: ending.change(current[job_id], now) for job_id, ending in held.items()}
    changed = change_each(connection, outrun(connection, current, wanted, now))
    return [changed.get(ending.job_id) if held.get(ending.job_id) is ending else None for ending in endings]


def _is_held(ending: Ending, job: Job | None) -> bool:
    return job is not None and job.fence == ending.fence


def _best(connection: Connection, queue: str, opened: Opened, now: datetime, best: Select[Any] = _BEST) -> Job | None:
    query = best.where(unblocked(opened, now)) if opened else best
    row = connection.execute(query, {"of_queue": queue, "now": now}).first()
    return job_of(row) if row else None


def _companions(connection: Connection, lead: Job, most: int, now: datetime, opened: Opened = ()) -> Sequence[str]:
    if most <= 0 or lead.batch_key is None:
        return []
    query = _COMPANIONS.where(unblocked(opened, now)) if opened else _COMPANIONS
    which = {"of_queue": lead.queue, "now": now, "key": lead.batch_key, "lead": lead.id, "most": most}
    return connection.execute(query, which).scalars().all()
