"""The follower's memory of what is watched: nothing stale is kept, whoever read it late."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.watch.follower import Follower
from api.watch.forecast import Forecast
from api.watch.hearing import Hearing
from api.watch.waiting import Watcher
from jobs import lifecycle
from jobs.values import Job, Priority, Progress, Submission
from models.catalog import read_catalog
from storage.claiming.claims import Claims, Ending
from storage.engine import Database
from storage.jobs.store import JobStore
from storage.migrations import upgrade


class House:
    """A follower on a real database; the bus is away."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = JobStore(database)
        self.claims = Claims(database)
        self.hearing = Hearing("redis://127.0.0.1:1/0")
        self.follower = Follower(database, self.store, self.hearing)

    def running(self, job_id: str) -> Job:
        wanted = Submission(
            job_id, "default", "default", "noop", "1", Priority.INTERACTIVE, {"prompt": "x"}, {}, None, 1, 8, 3
        )
        self.store.submit([wanted])
        return self.claims.claim("default", "w", 15.0, lambda _: 0)[0]

    def ended(self, job: Job) -> Job:
        ending = Ending(job.id, job.fence, lambda current, now: lifecycle.succeed(current, [], now))
        final = self.claims.conclude([ending])[0]
        assert final
        return final


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    upgrade(database)
    yield House(database)
    database.close()


JOB_ID = "01a20118-c698-7425-8cf3-4ae158eea05c"


@pytest.mark.anyio
async def test_a_view_read_before_the_end_and_shown_after_it_is_not_remembered_as_unfinished(house: House) -> None:
    stale = house.running(JOB_ID)
    house.follower.follow([JOB_ID], Watcher("default"))
    house.ended(stale)
    await house.follower._look()
    house.follower.view(stale)  # what a slow reader of the database has in its hands
    assert house.follower.watched() == []


@pytest.mark.anyio
async def test_a_retried_job_is_remembered_again(house: House) -> None:
    job = house.running(JOB_ID)
    house.follower.follow([JOB_ID], Watcher("default"))
    house.claims.conclude([Ending(job.id, job.fence, lifecycle.stop)])
    await house.follower._look()
    house.store.retry(JOB_ID)
    await house.follower._look()
    assert [view.job.id for view in house.follower.watched()] == [JOB_ID]


@pytest.mark.anyio
async def test_the_progress_of_an_earlier_attempt_says_nothing_of_this_one(house: House) -> None:
    job = house.running(JOB_ID)
    forecast = Forecast(house.database, read_catalog(diagnostics=True), house.hearing, house.follower)
    house.hearing._workers["w"] = (
        {"worker": "w", "queues": ["default"], "paces": {"noop@1": (0.0, 0.0, 10.0)}},
        float("inf"),
    )
    house.hearing._note(Progress(JOB_ID, job.seq - 1, 8, 8, None))
    await forecast.look(job)
    place = house.follower.view(job).place
    assert place
    assert place.eta_s is not None
    assert place.eta_s > 5, "the job has only begun"


@pytest.mark.anyio
async def test_an_end_that_is_read_before_the_feed_tells_of_it_is_offered_once(house: House) -> None:
    offered: list[str] = []

    class Counting(Watcher):
        def offer(self, view: object) -> None:
            offered.append(house.store.get(JOB_ID).status)

    await house.follower._look()
    job = house.running(JOB_ID)
    house.follower.follow([JOB_ID], Counting("default"))
    final = house.ended(job)
    house.follower._offer(house.follower.view(final))  # the row was read with the entry of its claim
    await house.follower._look()
    assert offered == ["succeeded"]
