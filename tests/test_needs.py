"""Jobs that wait for others, on both databases: when they are released, and what becomes of them when what they need
does not come."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from jobs import lifecycle
from jobs.identity import new_job_id
from jobs.values import Fault, IfNeedFails, Job, Lineage, Status
from storage.changes.consequences import Consequences
from storage.changes.outbox import Consequence
from storage.claiming.claims import Ending
from storage.engine import Database
from storage.jobs import needs
from storage.jobs.mending import Choice, Mending
from storage.jobs.needs import meet_needs
from storage.tables import CONSEQUENCES, NEEDS
from tests.houses import House

HOPELESS = Fault("model_unknown", "There is no such model.", retryable=False)


class Waiters(House):
    """A house in which somebody works off the consequences."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.database = database
        self.consequences = Consequences(database, [meet_needs])

    def status(self, job_id: str) -> Status:
        return self.store.get(job_id).status

    def work_off(self) -> None:
        while self.consequences.work_off()[0]:
            pass

    def ruin(self, job: Job) -> None:
        ending = Ending(job.id, job.fence, lambda current, now: lifecycle.fail(current, HOPELESS, now))
        self.claims.conclude([ending])

    def rows_in(self, table: Any) -> int:
        with self.database.reading() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()


@pytest.fixture
def house(database: Database) -> Waiters:
    return Waiters(database)


def test_a_job_waits_until_all_that_it_needs_has_succeeded(house: Waiters) -> None:
    first, second = house.submit(), house.submit()
    job_id = house.submit(needs=(first, second))
    assert house.status(job_id) is Status.WAITING
    house.succeed(house.claim_one())
    house.work_off()
    assert house.status(job_id) is Status.WAITING
    house.succeed(house.claim_one())
    house.work_off()
    released = house.store.get(job_id)
    assert (released.status, released.seq) == (Status.QUEUED, 2)
    assert house.claim_one().id == job_id
    assert (house.rows_in(NEEDS), house.rows_in(CONSEQUENCES)) == (0, 0), "nothing is left behind"


def test_what_a_job_needs_may_have_succeeded_before_it_was_submitted(house: Waiters) -> None:
    need = house.submit()
    house.succeed(house.claim_one())
    job_id = house.submit(needs=(need,))
    house.work_off()
    assert house.status(job_id) is Status.QUEUED


@pytest.mark.parametrize(
    ("policy", "status", "code"),
    [
        (IfNeedFails.FAIL, Status.FAILED, "dependency_failed"),
        (IfNeedFails.SKIP, Status.CANCELED, "dependency_failed"),
        (IfNeedFails.RUN, Status.QUEUED, None),
    ],
)
def test_when_a_need_fails_the_job_fails_is_skipped_or_runs_all_the_same(
    house: Waiters, policy: IfNeedFails, status: Status, code: str | None
) -> None:
    need = house.submit()
    job_id = house.submit(needs=(need,), lineage=Lineage(if_need_fails=policy))
    house.ruin(house.claim_one())
    house.work_off()
    job = house.store.get(job_id)
    assert (job.status, job.error and job.error.code) == (status, code)


def test_a_failed_need_ends_the_whole_chain_behind_it(house: Waiters) -> None:
    first = house.submit()
    second = house.submit(needs=(first,))
    third = house.submit(needs=(second,))
    house.store.cancel(first)
    house.work_off()
    assert (house.status(second), house.status(third)) == (Status.FAILED, Status.FAILED)


def test_a_need_that_is_retried_and_succeeds_serves_a_job_that_is_retried(house: Waiters) -> None:
    need = house.submit()
    job_id = house.submit(needs=(need,))
    house.ruin(house.claim_one())
    house.work_off()
    house.store.retry(need)
    assert house.store.retry(job_id).status is Status.WAITING
    house.succeed(house.claim_one())
    house.work_off()
    assert house.status(job_id) is Status.QUEUED


def test_a_job_that_is_retried_by_a_filter_waits_for_its_needs_again(house: Waiters) -> None:
    need = house.submit()
    job_id = house.submit(needs=(need,))
    house.ruin(house.claim_one())
    house.work_off()
    batch = Mending(house.database).retry(Choice("default", [Status.FAILED]), "", 100)
    assert {job.id: job.status for job in batch.jobs} == {need: Status.QUEUED, job_id: Status.WAITING}


def test_a_need_that_was_deleted_counts_as_failed_for_a_job_that_is_retried(house: Waiters) -> None:
    need = house.submit()
    job_id = house.submit(needs=(need,))
    house.store.cancel(need)
    house.work_off()
    house.store.delete(need)
    house.store.retry(job_id)
    house.work_off()
    assert house.status(job_id) is Status.FAILED


def test_a_need_that_is_deleted_before_anybody_looked_is_still_heard_of(house: Waiters) -> None:
    need = house.submit()
    job_id = house.submit(needs=(need,))
    house.succeed(house.claim_one())
    house.store.delete(need)
    house.work_off()
    assert house.status(job_id) is Status.QUEUED


def test_a_waiting_job_is_canceled_at_once_and_expires_at_its_deadline(house: Waiters) -> None:
    need = house.submit()
    canceled = house.submit(needs=(need,))
    late = house.submit(needs=(need,), deadline=datetime.now(UTC) - timedelta(seconds=1))
    assert house.store.cancel(canceled).status is Status.CANCELED
    assert [job.id for job in house.claims.expire_overdue()] == [late]
    house.succeed(house.claim_one())
    house.work_off()
    assert (house.status(canceled), house.status(late)) == (Status.CANCELED, Status.EXPIRED)


def test_nobody_depends_on_a_job_that_is_not_there_or_belongs_to_another(house: Waiters) -> None:
    theirs = house.submit(tenant="other")
    nobody = new_job_id()
    wanted = house.wanted(needs=(theirs, nobody))
    (answer,) = house.store.submit([wanted])
    assert (answer.job, answer.missing, answer.conflict) == (None, (theirs, nobody), False)
    assert house.rows_in(NEEDS) == 0


def test_two_needs_that_are_met_in_the_same_moment_release_their_job(house: Waiters) -> None:
    for _ in range(8):
        both = (house.submit(), house.submit())
        job_id = house.submit(needs=both)
        barrier = threading.Barrier(2, timeout=30)
        running = [house.claim_one(), house.claim_one()]

        def end(job: Job, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            house.succeed(job)
            house.work_off()

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(end, running))
        house.work_off()
        assert house.status(job_id) is Status.QUEUED
        house.succeed(house.claim_one())


def test_a_job_submitted_while_its_need_ends_is_released(house: Waiters) -> None:
    for _ in range(8):
        need = house.submit()
        running = house.claim_one()
        with ThreadPoolExecutor(2) as pool:
            waiting = pool.submit(house.submit, needs=(need,))
            pool.submit(house.succeed, running).result()
            job_id = waiting.result()
        house.work_off()
        assert house.claim_one().id == job_id
        house.succeed(house.store.get(job_id))


def test_a_consequence_that_cannot_be_worked_off_is_set_aside_and_keeps_nobody_waiting(database: Database) -> None:
    house = Waiters(database)
    poison = house.submit(consequential=True)

    def stumble(_connection: Connection, happened: list[Consequence], _now: datetime) -> list[Job]:
        if any(one.subject == poison for one in happened):
            raise ValueError("a bug")
        return []

    need = house.submit()
    job_id = house.submit(needs=(need,))
    house.succeed(house.claim_one())
    house.succeed(house.claim_one())
    house.consequences = Consequences(database, [stumble, meet_needs])  # type: ignore[list-item]
    house.work_off()
    assert house.status(job_id) is Status.QUEUED
    with database.reading() as connection:
        faults = connection.execute(select(CONSEQUENCES.c.subject, CONSEQUENCES.c.fault)).all()
    assert {tuple(row) for row in faults} == {(poison, "ValueError: a bug")}


def test_a_courier_that_dies_amid_consequences_has_done_none_of_them(house: Waiters) -> None:
    need = house.submit()
    job_id = house.submit(needs=(need,))
    house.succeed(house.claim_one())

    def die(*_: object) -> list[Job]:
        raise KeyboardInterrupt

    dying: list[Callable[..., list[Job]]] = [meet_needs, die]
    with pytest.raises(KeyboardInterrupt):
        Consequences(house.database, dying).work_off()
    assert house.status(job_id) is Status.WAITING
    house.work_off()
    assert house.status(job_id) is Status.QUEUED


def test_a_job_that_is_retried_while_its_canceled_self_is_looked_at_is_released(
    house: Waiters, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = house.submit()
    job_id = house.submit(needs=(need,))
    house.store.cancel(job_id)
    house.succeed(house.claim_one())
    locked = needs._locked
    retrying: list[Future[Job]] = []

    def locked_then_retried(*given: Any) -> list[Job]:
        found = locked(*given)
        retrying.append(pool.submit(house.store.retry, job_id))
        wait(retrying, timeout=0.5)
        return found

    with ThreadPoolExecutor(1) as pool, monkeypatch.context() as patched:
        patched.setattr(needs, "_locked", locked_then_retried)
        house.consequences.work_off()
    assert retrying[0].result().status is Status.WAITING
    house.work_off()
    assert house.status(job_id) is Status.QUEUED


def test_the_end_of_a_need_that_was_retried_before_anybody_looked_fails_nobody(house: Waiters) -> None:
    need = house.submit()
    job_id = house.submit(needs=(need,))
    house.ruin(house.claim_one())
    house.store.retry(need)
    house.work_off()
    assert house.status(job_id) is Status.WAITING
    house.succeed(house.claim_one())
    house.work_off()
    assert house.status(job_id) is Status.QUEUED


def test_a_chain_that_is_retried_by_a_filter_waits_whatever_each_of_it_came_to(house: Waiters) -> None:
    need = house.submit()
    job_id = house.submit(needs=(need,))
    house.store.cancel(need)
    house.work_off()
    assert house.status(job_id) is Status.FAILED
    Mending(house.database).retry(Choice("default", [Status.FAILED, Status.CANCELED]), "", 100)
    house.work_off()
    assert (house.status(need), house.status(job_id)) == (Status.QUEUED, Status.WAITING)
