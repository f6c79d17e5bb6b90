"""Two workers, their clients, the reaper and the passing of time at one real store, in any order and at the same
moment: whatever Hypothesis thinks of, each row keeps telling one story."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from hypothesis.strategies import booleans, integers, none, sampled_from
from sqlalchemy import delete, select, update

from jobs import lifecycle
from jobs.errors import Conflict
from jobs.identity import new_job_id
from jobs.lifecycle import Change
from jobs.values import Attempt, Fault, Job, Output, Priority, Status, Submission
from storage.changes.rows import JOB_COLUMNS, attempt_of, job_of
from storage.claiming.claims import Claims, Ending, Holding
from storage.engine import Database
from storage.jobs.store import JobStore
from storage.tables import ARTIFACTS, ATTEMPTS, CHANGES, JOBS

T = TypeVar("T")

WORKERS = ("A", "B")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
BROKEN = Fault("model_error", "It broke.", retryable=True)
HOPELESS = Fault("model_unknown", "There is no such model.", retryable=False)

workers, which, rarely = sampled_from(WORKERS), integers(0, 20), sampled_from([False, False, False, True])


def picture(job: Job) -> Output:
    """What this attempt publishes: its key says which fence wrote it."""
    return Output(f"{job.id}-{job.fence}.png", "ab", "image/png", 7)


ENDINGS: dict[str, Callable[[Job, datetime], Change]] = {
    "succeed": lambda job, now: lifecycle.succeed(job, [picture(job)], now),
    "fail": lambda job, now: lifecycle.fail(job, BROKEN, now),
    "fail for good": lambda job, now: lifecycle.fail(job, HOPELESS, now),
    "hand back": lifecycle.hand_back,
    "stop": lifecycle.stop,
}


def at_once(first: Callable[[], T], second: Callable[[], T]) -> list[T]:
    """Both, in two threads that start in the same moment."""
    together = threading.Barrier(2)

    def start(act: Callable[[], T]) -> T:
        together.wait(60)
        return act()

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(start, (first, second)))


class House(RuleBasedStateMachine):
    """The store, what was promised of it, and what each worker believes to hold: leases of present and past.
    Rules have no preconditions, so that a race which ends otherwise changes no choice after it."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.store, self.claims = JobStore(database), Claims(database)
        self.promised: dict[str, str] = {}  # idempotency key -> job id
        self.granted: dict[str, int] = {}  # job id -> attempts granted by submit and by retries
        self.believed: dict[str, list[Job]] = {worker: [] for worker in WORKERS}
        self.seen: dict[str, Job] = {}
        self.retried: set[str] = set()  # since the last look

    def teardown(self) -> None:
        with self.database.writing() as connection:
            for table in (JOBS, CHANGES):
                connection.execute(delete(table))

    def some(self, number: int) -> Job | None:
        ids = sorted(self.seen)
        return self.seen[ids[number % len(ids)]] if ids else None

    def held_once(self, worker: str, number: int) -> Job | None:
        """A job as this worker claimed it, lately or long ago."""
        believed = self.believed[worker]
        return believed[-1 - number % len(believed)] if believed else None

    def is_held(self, job: Job) -> bool:
        """Is the lease under which the job was claimed its present one?"""
        now = self.seen.get(job.id)
        return now is not None and now.status is Status.RUNNING and now.fence == job.fence

    # what clients do

    @initialize()
    def three_jobs_wait(self) -> None:
        for _ in range(3):
            self.submit(None, together=True, late=False, most=3)

    @rule(key=none() | sampled_from(["k", "l"]), together=booleans(), late=rarely, most=integers(1, 3))
    def submit(self, key: str | None, together: bool, late: bool, most: int) -> None:
        names = (new_job_id(), "default", "default", "noop", "1", Priority.INTERACTIVE)
        wanted = Submission(*names, {"prompt": "x"}, {}, "same" if together else None, 1, 1, most)
        wanted = replace(wanted, idempotency_key=key, deadline=LONG_AGO if late else None)
        (answer,) = self.store.submit([wanted])
        assert answer.job is not None
        known = self.promised.get(key) if key else None
        assert answer.replayed == (known is not None)
        assert answer.job.id == (known or wanted.id), "one key, one id"
        if not answer.replayed:
            self.granted[wanted.id] = most
        if key:
            self.promised[key] = answer.job.id

    @rule(number=which)
    def cancel(self, number: int) -> None:
        if job := self.some(number):
            self.store.cancel(job.id)

    @rule(number=which)
    def retry(self, number: int) -> None:
        if (job := self.some(number)) is None:
            return
        if job.status in (Status.FAILED, Status.CANCELED, Status.EXPIRED):
            self.store.retry(job.id)
            self.granted[job.id] += 1
            self.retried.add(job.id)
        else:
            with pytest.raises(Conflict):
                self.store.retry(job.id)

    @rule(number=which, really=rarely)
    def delete(self, number: int, really: bool) -> None:
        job = self.some(number)
        if job is None or not really:
            return
        if job.final:
            self.store.delete(job.id)
            self.promised = {key: job_id for key, job_id in self.promised.items() if job_id != job.id}
        else:
            with pytest.raises(Conflict):
                self.store.delete(job.id)

    # what workers do

    @rule(worker=workers, room=integers(0, 2))
    def claim(self, worker: str, room: int) -> None:
        self.believed[worker] += self.checked(self.claims.claim("default", worker, 60.0, lambda _: room))

    @rule(worker=workers, how=sampled_from(sorted(ENDINGS)))
    def work(self, worker: str, how: str) -> None:
        """A whole attempt without anybody in between."""
        self.every_back_off_is_over()
        self.claim(worker, 0)
        self.look()
        self.conclude(worker, 0, how)

    @rule(room=integers(0, 2))
    def both_claim(self, room: int) -> None:
        a, b = at_once(*(lambda w=w: self.claims.claim("default", w, 60.0, lambda _: room) for w in WORKERS))
        assert not {job.id for job in a} & {job.id for job in b}
        self.believed["A"] += self.checked(a)
        self.believed["B"] += self.checked(b)

    def checked(self, claimed: Sequence[Job]) -> Sequence[Job]:
        for job in claimed:
            before = self.seen[job.id]
            assert before.status is Status.QUEUED
            assert (job.attempt, job.fence) == (before.attempt + 1, before.fence + 1)
        return claimed

    @rule(worker=workers)
    def heartbeat(self, worker: str) -> None:
        newest = {job.id: job for job in self.believed[worker]}
        learnt = self.claims.renew({job.id: job.fence for job in newest.values()}, 60.0)
        for job in newest.values():
            asked = self.is_held(job) and self.seen[job.id].cancel_requested
            assert learnt[job.id] == Holding(self.is_held(job), asked)

    @rule(worker=workers, number=which, how=sampled_from(sorted(ENDINGS)))
    def conclude(self, worker: str, number: int, how: str) -> None:
        if job := self.held_once(worker, number):
            (concluded,) = self.claims.conclude([Ending(job.id, job.fence, ENDINGS[how])])
            assert (concluded is not None) == self.is_held(job), "a stale fence never writes, a present one does"

    @rule(number=which, hows=sampled_from([(a, b) for a in ENDINGS for b in ENDINGS]))
    def all_who_ever_held_it_conclude_at_once(self, number: int, hows: tuple[str, str]) -> None:
        job = self.held_once("A", number)
        rival = next((one for one in reversed(self.believed["B"]) if job and one.id == job.id), None)
        if job and rival:
            endings = [Ending(one.id, one.fence, ENDINGS[how]) for one, how in zip((job, rival), hows, strict=True)]
            told = at_once(*(lambda e=e: self.claims.conclude([e])[0] for e in endings))
            assert [one is not None for one in told] == [self.is_held(job), self.is_held(rival)]

    # what time does, and the reaper

    @rule(number=which)
    def a_lease_runs_out(self, number: int) -> None:
        if job := self.some(number):
            with self.database.writing() as connection:
                running = (JOBS.c.id == job.id) & (JOBS.c.status == Status.RUNNING.value)
                connection.execute(update(JOBS).where(running).values(lease_until=LONG_AGO))

    @rule()
    def every_back_off_is_over(self) -> None:
        with self.database.writing() as connection:
            connection.execute(update(JOBS).values(run_after=LONG_AGO))

    @rule()
    def reap(self) -> None:
        over = {job.id for job in self.seen.values() if job.lease_until and job.lease_until < datetime.now(UTC)}
        assert {job.id for job in self.claims.lose_expired()} == over
        for job in self.claims.expire_overdue():
            assert (self.seen[job.id].status, self.seen[job.id].attempt) == (Status.QUEUED, 0)

    @rule(number=which, worker=workers, how=sampled_from(sorted(ENDINGS)))
    def the_reaper_and_the_holder_come_at_once(self, number: int, worker: str, how: str) -> None:
        self.a_lease_runs_out(number)
        if job := self.held_once(worker, number):
            ending = Ending(job.id, job.fence, ENDINGS[how])
            at_once(self.claims.lose_expired, lambda: self.claims.conclude([ending]))

    @rule(worker=workers)
    def a_worker_dies_and_its_supervisor_sees_it(self, worker: str) -> None:
        mine = {j.id for j in self.seen.values() if j.status is Status.RUNNING and j.worker == worker}
        assert {job.id for job in self.claims.release(worker)} == mine

    # what must be true whatever happened

    @invariant()
    def each_row_tells_one_story(self) -> None:
        self.look()
        with self.database.reading() as connection:
            history = connection.execute(select(ATTEMPTS).order_by(ATTEMPTS.c.fence)).all()
            listed = set(connection.execute(select(ARTIFACTS.c.key)).scalars())
            told = Counter(connection.execute(select(CHANGES.c.job_id)).scalars())
        for job in self.seen.values():
            self.is_in_itself_true(job, [attempt_of(row) for row in history if row.job_id == job.id])
            assert told[job.id] == job.seq, "each change has its place in the feed"
        assert listed == {picture(job).key for job in self.seen.values() if job.status is Status.SUCCEEDED}

    def look(self) -> None:
        with self.database.reading() as connection:
            now = {job.id: job for job in map(job_of, connection.execute(select(*JOB_COLUMNS)))}
        for job_id in now.keys() & self.seen.keys():
            self.goes_onward(self.seen[job_id], now[job_id])
        self.seen, self.retried = now, set()

    def goes_onward(self, before: Job, after: Job) -> None:
        timeless = {"lease_until": None, "run_after": LONG_AGO}
        if after.seq == before.seq:
            assert replace(after, **timeless) == replace(before, **timeless), "what changes is counted"
        assert after.seq >= before.seq
        assert after.fence >= before.fence
        assert after.status is before.status or not before.final or before.id in self.retried

    def is_in_itself_true(self, job: Job, attempts: Sequence[Attempt]) -> None:
        outcomes = [attempt.outcome for attempt in attempts]
        assert [(one.fence, one.number) for one in attempts] == [(n, n) for n in range(1, job.fence + 1)]
        assert job.attempt == job.fence
        assert job.max_attempts == self.granted[job.id] + outcomes.count("hand back")
        assert job.attempt <= job.max_attempts
        assert (job.lease_until is not None) == (job.status is Status.RUNNING)
        assert outcomes.count(None) == (job.status is Status.RUNNING)
        assert outcomes.count("succeed") == (job.status is Status.SUCCEEDED)
        assert job.outputs == ((picture(job),) if job.status is Status.SUCCEEDED else ())


def test_two_racing_workers_publish_no_job_twice_lose_none_and_never_write_under_a_stale_fence(
    database: Database,
) -> None:
    run_state_machine_as_test(
        lambda: House(database),
        settings=settings(
            max_examples=80 if database.is_sqlite else 25,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
