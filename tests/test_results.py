"""The result cache on both databases: identical work is done once, whether it was done before or is under way."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from jobs import lifecycle
from jobs.identity import new_job_id
from jobs.values import Event, Fault, Job, Output, Priority, Status, Submission, Webhook
from storage.changes.consequences import Consequences
from storage.changes.feed import Feed
from storage.changes.results import trim_results
from storage.claiming.claims import Ending
from storage.engine import Database
from storage.jobs.mending import Choice, Mending
from storage.jobs.store import JobStore
from storage.tables import DELIVERIES, JOBS, RESULTS, TWINS
from tests.houses import House
from workers.errands.aftermath import FOLLOW

HOPELESS = Fault("model_unknown", "There is no such model.", retryable=False)
CONTEXT = {"rows": 4}


class Studio(House):
    """A house where the same is wanted again and again."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.database = database
        self.consequences = Consequences(database, FOLLOW)

    def ask(self, key: str = "sea, seed 7", **given: Any) -> Job:
        (done,) = self.store.submit([self.wanted(cache_key=key, **given)])
        assert done.job is not None
        return done.job

    def make(self, job_id: str | None = None, size: int = 100) -> Job:
        """Whoever is next is done; with a picture of its own."""
        job = self.claim_one()
        assert job_id in (None, job.id)
        return self.finish(job, size)

    def finish(self, job: Job, size: int = 100) -> Job:
        picture = Output(f"{job.id}.png", job.id, "image/png", size, 16, 8, None, 7)
        return self.end(job, lambda current, now: lifecycle.succeed(current, [picture], now, context=CONTEXT))

    def ruin(self) -> Job:
        return self.end(self.claim_one(), lambda current, now: lifecycle.fail(current, HOPELESS, now))

    def end(self, job: Job, change: Callable[[Job, datetime], lifecycle.Change]) -> Job:
        ended = self.claims.conclude([Ending(job.id, job.fence, change)])[0]
        assert ended is not None
        self.work_off()
        return ended

    def work_off(self) -> None:
        while self.consequences.work_off()[0]:
            pass

    def status(self, job: Job) -> Status:
        return self.store.get(job.id).status

    def used(self, ago_s: float, *jobs: Job) -> None:
        moment = datetime.now(UTC) - timedelta(seconds=ago_s)
        stale = update(RESULTS).where(RESULTS.c.job_id.in_([job.id for job in jobs]))
        with self.database.writing() as connection:
            connection.execute(stale.values(created_at=moment, last_used_at=moment))

    def keys(self, table: Any = RESULTS) -> int:
        with self.database.reading() as connection:
            return len(connection.execute(select(table)).all())


@pytest.fixture
def studio(database: Database) -> Studio:
    return Studio(database)


def test_work_that_was_done_before_is_finished_at_once_with_the_same_outputs(studio: Studio) -> None:
    feed = Feed(studio.database)
    studio.ask()
    first = studio.make()
    feed.read()
    again = studio.ask(metadata={"mine": 1})
    assert (again.status, again.cached, again.seq, again.attempt) == (Status.SUCCEEDED, True, 1, 0)
    assert (again.outputs, again.context, again.metadata) == (first.outputs, CONTEXT, {"mine": 1})
    assert (again.finished_at, again.started_at, first.cached) == (again.created_at, None, False)
    assert studio.store.get(again.id) == again
    assert studio.claim() == [], "nobody has anything to do"
    assert [entry.verb for entry in feed.read()] == ["submit", "reuse"]


def test_outputs_are_served_for_as_long_as_any_job_lists_them(studio: Studio) -> None:
    studio.ask()
    first = studio.make()
    again = studio.ask()
    key = first.outputs[0].key
    studio.store.delete(first.id)
    assert studio.store.lists_artifact(key, "default")
    studio.store.delete(again.id)
    assert not studio.store.lists_artifact(key)


def test_a_webhook_is_told_of_a_job_that_was_finished_at_once(studio: Studio) -> None:
    studio.ask()
    studio.make()
    again = studio.ask(webhook=Webhook("http://hooks.example/", (Event.STARTED, Event.COMPLETED)))
    with studio.database.reading() as connection:
        told = connection.execute(select(DELIVERIES.c.job_id, DELIVERIES.c.event)).all()
    assert [tuple(row) for row in told] == [(again.id, "completed")]


@pytest.mark.parametrize("given", [{"key": None}, {"key": "another"}, {"tenant": "another"}])
def test_other_work_work_without_a_key_and_other_tenants_have_runs_of_their_own(
    studio: Studio, given: dict[str, Any]
) -> None:
    studio.ask()
    studio.make()
    assert studio.ask(**given).status is Status.QUEUED


def test_what_waits_for_other_things_neither_uses_nor_makes_results_of_others(studio: Studio) -> None:
    need = studio.ask("need")
    assert studio.ask(needs=(need.id,)).status is Status.WAITING
    assert studio.ask().status is Status.QUEUED


def test_twins_of_one_call_and_of_a_later_one_have_the_result_of_the_one_that_runs(studio: Studio) -> None:
    wanted = [studio.wanted(cache_key="k", id=new_job_id()) for _ in range(3)]
    first, second, third = [done.job for done in studio.store.submit(wanted) if done.job]
    late = studio.ask("k")
    twins = [second, third, late]
    assert [first.status, *(twin.status for twin in twins)] == [Status.QUEUED] + [Status.WAITING] * 3
    made = studio.make(first.id)
    assert studio.claim() == [], "the work was done once"
    for twin in twins:
        now = studio.store.get(twin.id)
        assert (now.status, now.cached, now.seq, now.outputs) == (Status.SUCCEEDED, True, 2, made.outputs)
        assert now.context == CONTEXT
    assert studio.keys(TWINS) == 0


def test_when_the_one_that_runs_fails_its_twins_try_for_themselves(studio: Studio) -> None:
    studio.ask()
    twins = [studio.ask(), studio.ask()]
    studio.ruin()
    assert [studio.status(twin) for twin in twins] == [Status.QUEUED] * 2


def test_when_the_one_that_runs_is_canceled_a_twin_runs_in_its_place_for_all(studio: Studio) -> None:
    first = studio.ask()
    twins = [studio.ask(), studio.ask()]
    studio.store.cancel(first.id)
    studio.work_off()
    assert [studio.status(twin) for twin in twins] == [Status.QUEUED, Status.WAITING]
    late = studio.ask()
    made = studio.make(twins[0].id)
    assert not made.cached
    assert [studio.store.get(job.id).outputs for job in (twins[1], late)] == [made.outputs] * 2
    assert studio.status(first) is Status.CANCELED


def test_a_result_that_is_deleted_before_its_twins_had_it_is_made_again(studio: Studio) -> None:
    first, twin = studio.ask(), studio.ask()
    job = studio.claim_one()
    studio.succeed(job)
    studio.store.delete(first.id)
    studio.work_off()
    assert studio.status(twin) is Status.QUEUED
    assert studio.make(twin.id).outputs


def test_a_twin_that_is_canceled_or_expires_leaves_the_others_alone(studio: Studio) -> None:
    first, twin = studio.ask(), studio.ask()
    late = studio.ask(deadline=datetime.now(UTC) - timedelta(seconds=1))
    assert studio.store.cancel(twin.id).status is Status.CANCELED
    assert [job.id for job in studio.claims.expire_overdue()] == [late.id]
    studio.make(first.id)
    assert [studio.status(job) for job in (twin, late)] == [Status.CANCELED, Status.EXPIRED]
    assert studio.store.retry(twin.id).status is Status.QUEUED


def test_nobody_interactive_waits_for_a_batch_job_unless_that_runs_already(studio: Studio) -> None:
    batch = studio.ask(priority=Priority.BATCH)
    assert studio.ask(priority=Priority.BATCH).status is Status.WAITING
    urgent = studio.ask()
    assert urgent.status is Status.QUEUED
    studio.make(urgent.id)
    assert studio.claim_one().id == batch.id
    assert studio.ask().status is Status.WAITING


def test_work_whose_last_try_failed_is_tried_again_and_kept(studio: Studio) -> None:
    studio.ask()
    studio.ruin()
    again = studio.ask()
    assert again.status is Status.QUEUED
    studio.make(again.id)
    assert studio.ask().cached


def test_a_failed_job_that_is_retried_makes_the_result_for_others(studio: Studio) -> None:
    first = studio.ask()
    studio.ruin()
    studio.store.retry(first.id)
    twin = studio.ask()
    studio.make(first.id)
    assert (studio.store.get(twin.id).cached, studio.ask().cached) == (True, True)


def test_a_deleted_and_a_purged_job_are_not_used_again(studio: Studio) -> None:
    studio.ask()
    studio.store.delete(studio.make().id)
    assert studio.ask().status is Status.QUEUED
    studio.make()
    Mending(studio.database).purge(Choice("default", [Status.SUCCEEDED]), "", 10)
    assert studio.ask().status is Status.QUEUED
    assert studio.keys() == 1


def test_two_processes_that_are_asked_for_the_same_in_the_same_moment_do_it_once(studio: Studio) -> None:
    other = JobStore(studio.database)
    for round_ in range(8):
        barrier = threading.Barrier(2, timeout=30)

        def ask(store: JobStore, wanted: Submission, barrier: threading.Barrier = barrier) -> Status:
            barrier.wait()
            (done,) = store.submit([wanted])
            assert done.job is not None
            return done.job.status

        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(ask, store, studio.wanted(cache_key=f"{round_}")) for store in (studio.store, other)]
        assert sorted(one.result() for one in asked) == [Status.QUEUED, Status.WAITING]
        studio.make()
        assert studio.claim() == []


def test_a_twin_that_comes_while_the_result_is_written_has_it(studio: Studio) -> None:
    for round_ in range(8):
        studio.ask(f"{round_}")
        with ThreadPoolExecutor(2) as pool:
            running = studio.claim_one()
            twin = pool.submit(studio.ask, f"{round_}")
            pool.submit(studio.finish, running).result()
        studio.work_off()
        assert studio.store.get(twin.result().id).cached


def test_results_are_forgotten_when_they_are_too_old(studio: Studio) -> None:
    studio.ask("old")
    old = studio.make()
    studio.ask("new")
    studio.make()
    studio.used(100, old)
    trim_results(studio.database, 1_000, ttl_s=50)
    assert (studio.ask("old").status, studio.ask("new").status) == (Status.QUEUED, Status.SUCCEEDED)


def test_where_results_are_too_many_the_one_not_used_for_longest_goes_first(studio: Studio) -> None:
    made = {}
    for name in ("first", "second", "third"):
        studio.ask(name)
        made[name] = studio.make(size=400)
    for name, ago_s in (("first", 300), ("second", 200), ("third", 100)):
        studio.used(ago_s, made[name])
    studio.ask("first")  # which makes it the one used last
    trim_results(studio.database, 1_000, ttl_s=1_000)
    assert [studio.ask(name).cached for name in made] == [True, False, True]


def test_a_use_is_written_down_once_a_minute_at_most(studio: Studio) -> None:
    studio.ask()
    first = studio.make()
    studio.used(100, first)

    def last_used() -> datetime:
        with studio.database.reading() as connection:
            moment: datetime = connection.execute(select(RESULTS.c.last_used_at)).scalar_one()
            return moment

    before = last_used()
    studio.ask()
    noted = last_used()
    assert noted > before
    studio.ask()
    assert last_used() == noted
    with studio.database.reading() as connection:
        assert len(connection.execute(select(JOBS.c.id).where(JOBS.c.cached)).all()) == 2
