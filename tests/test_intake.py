"""The buffer between requests and the database: who shares a transaction, whom a fault concerns, and what is said."""

import asyncio
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from api.gate.intake import Intake
from api.web.problems import Overloaded
from config.settings import Settings, read_settings
from jobs.values import Submission
from storage.bus import CHANGED, Bus, Errands, connect
from storage.engine import Database
from storage.jobs.store import JobStore
from storage.migrations import upgrade
from tests.batches import submission
from tests.servers import running_broker, wait_until
from workers.queue import Doorbell, build_celery

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """With a broker of one's own."""
    folder = tmp_path_factory.mktemp("intake")
    with running_broker("valkey", folder) as broker:
        yield read_settings(data_dir=folder, broker_url=broker.url)


@asynccontextmanager
async def intake_of(settings: Settings, database: Database) -> AsyncIterator[Intake]:
    errands = Errands("errands")
    intake = Intake(JobStore(database), Doorbell(build_celery(settings), errands), Bus(settings.broker_url, errands))
    intake.start()
    try:
        yield intake
    finally:
        await intake.close()
        errands.close()


@pytest.fixture
def commits(database: Database) -> Iterator[Counter[str]]:
    """How many transactions were committed so far."""
    counted: Counter[str] = Counter()

    def note(_connection: object) -> None:
        counted["commits"] += 1

    event.listen(database.engine, "commit", note)
    yield counted
    event.remove(database.engine, "commit", note)


async def submit_all(intake: Intake, wanted: list[Submission]) -> list[object]:
    return await asyncio.gather(*(intake.submit(one) for one in wanted), return_exceptions=True)


async def test_those_that_arrive_together_share_transactions_of_a_bounded_size(
    settings: Settings, database: Database, commits: Counter[str]
) -> None:
    wanted = [submission() for _ in range(300)]
    async with intake_of(settings, database) as intake:
        answers = await submit_all(intake, wanted)
        assert 300 / 128 <= commits["commits"] <= 4
        commits.clear()
        await intake.submit(submission())
        await intake.submit(submission())
    assert commits["commits"] == 2, "a lone one shares with nobody"
    assert [answer.job.id for answer in answers] == [one.id for one in wanted]  # type: ignore[attr-defined]


async def test_where_many_come_those_who_are_on_their_way_come_along(
    settings: Settings, database: Database, commits: Counter[str]
) -> None:
    async def twice(intake: Intake, turns: int) -> None:
        await intake.submit(submission())
        for _ in range(turns):  # of the event loop: its next request is read a little later
            await asyncio.sleep(0)
        await intake.submit(submission())

    async with intake_of(settings, database) as intake:
        await asyncio.gather(*(twice(intake, number % 4) for number in range(40)))
    assert commits["commits"] == 2


async def test_a_row_that_the_database_refuses_harms_none_of_its_neighbours(
    settings: Settings, database: Database
) -> None:
    taken = submission()
    JobStore(database).submit([taken])
    wanted = [submission() for _ in range(10)]
    wanted[4] = submission(id=taken.id)
    async with intake_of(settings, database) as intake:
        answers = await submit_all(intake, wanted)
    refused = [number for number, answer in enumerate(answers) if isinstance(answer, Exception)]
    assert refused == [4]
    assert len(JobStore(database).get_many([one.id for one in wanted])) == 10, "the one that was there, and nine more"


async def test_while_the_database_is_slow_so_many_wait_and_others_are_refused(
    settings: Settings, tmp_path: Path
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'slow.db'}")
    upgrade(database)
    other = sqlite3.connect(tmp_path / "slow.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begun = threading.Event()
    event.listen(database.engine, "before_cursor_execute", lambda *_: begun.set())
    async with intake_of(settings, database) as intake:
        first = asyncio.create_task(intake.submit(submission()))
        assert await asyncio.to_thread(begun.wait, 60)  # it is being written: what comes now waits behind it
        tasks = [asyncio.create_task(intake.submit(submission())) for _ in range(4_096)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await intake.submit(submission())
        assert not first.done()
        other.execute("ROLLBACK")
        other.close()
        answers = await asyncio.gather(first, *tasks)
    database.close()
    assert len({answer.job.id for answer in answers if answer.job}) == 4_097


async def test_of_many_submits_the_bus_is_told_in_few_words(settings: Settings, database: Database) -> None:
    with heard(settings) as words:
        began = time.monotonic()
        async with intake_of(settings, database) as intake:
            for _ in range(40):
                await submit_all(intake, [submission() for _ in range(20)])
        most = (time.monotonic() - began) / 0.02 + 2
        assert 1 <= words() <= most


async def test_a_process_that_ends_says_first_what_it_has_to(settings: Settings, database: Database) -> None:
    with heard(settings) as words:
        async with intake_of(settings, database) as intake:
            await intake.submit(submission())
        assert words() == 1


@contextmanager
def heard(settings: Settings) -> Iterator[Callable[[], int]]:
    """How many words of a change are heard on the bus, until it is silent."""
    with connect(settings.broker_url).pubsub() as channel:  # type: ignore[no-untyped-call]
        channel.subscribe(CHANGED)
        wait_until(lambda: channel.get_message(timeout=1.0), "the bus is heard")
        yield lambda: sum(1 for _ in iter(lambda: channel.get_message(timeout=0.5), None))
