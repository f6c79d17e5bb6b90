"""The database restarts, is busy, or tells another time than the hosts: nothing answered is undone."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

import storage.engine
from jobs.errors import StoreUnavailable
from storage.claiming.claims import Claims
from storage.engine import Database
from storage.jobs.store import JobStore
from tests.faults.stacks import BODY
from tests.houses import House
from tests.servers import PostgresServer, new_postgres_database, wait_until
from tests.stacks import RunningStack, running_stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module")
def on_postgresql(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp("on-postgresql") / "data"
    with running_stack(folder, SAFELIGHT_DATABASE_URL=server.url) as stack:
        yield stack


def test_a_job_survives_the_death_of_its_worker_on_postgresql_too(on_postgresql: RunningStack) -> None:
    job = on_postgresql.submit(duration_s=2.0, steps=20)
    on_postgresql.until_running(job["id"])
    on_postgresql.kill("worker")
    finished = on_postgresql.finished(job["id"])
    assert (finished["status"], finished["attempt"]) == ("succeeded", 2)


def test_a_postgresql_that_restarts_under_load_is_answered_503_and_loses_nothing(
    on_postgresql: RunningStack, server: PostgresServer
) -> None:
    accepted: list[str] = []
    refused: list[httpx.Response] = []
    stop = threading.Event()

    def load() -> None:
        with httpx.Client(base_url=on_postgresql.url, timeout=60) as http:
            while not stop.is_set():
                answer = http.post("/v1/jobs", json=BODY)
                if answer.status_code == 202:
                    accepted.append(answer.json()["id"])
                else:
                    refused.append(answer)
                time.sleep(0.02)

    loaders = [threading.Thread(target=load) for _ in range(4)]
    for loader in loaders:
        loader.start()
    try:
        wait_until(lambda: len(accepted) > 20, "jobs are accepted")
        server.stop()
        wait_until(lambda: refused, "the gap is told")
        server.start()
        before = len(accepted)
        wait_until(lambda: len(accepted) > before + 20, "jobs are accepted again")
    finally:
        stop.set()
        for loader in loaders:
            loader.join()
    assert {answer.status_code for answer in refused} == {503}
    assert all(answer.headers["retry-after"].isdigit() for answer in refused)
    assert {on_postgresql.finished(job_id, 180)["status"] for job_id in accepted} == {"succeeded"}


def test_a_result_that_is_ready_while_postgresql_is_away_waits_for_it_and_is_published(
    on_postgresql: RunningStack, server: PostgresServer
) -> None:
    job = on_postgresql.submit(duration_s=1.5, steps=3)
    on_postgresql.until_running(job["id"])
    server.stop()
    time.sleep(3.0)  # beyond the end of the job, not beyond its lease
    server.start()
    finished = on_postgresql.finished(job["id"])
    assert (finished["status"], finished["attempt"]) == ("succeeded", 1)


def test_a_busy_sqlite_makes_submits_wait_and_never_fail(tough_stack: RunningStack) -> None:
    with ThreadPoolExecutor(8) as pool:
        other = sqlite3.connect(tough_stack.folder / "safelight.db", timeout=30, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answers = [pool.submit(httpx.post, f"{tough_stack.url}/v1/jobs", json=BODY, timeout=60) for _ in range(8)]
        time.sleep(2.0)  # how long the other writer takes
        assert not any(answer.done() for answer in answers)
        other.execute("ROLLBACK")
        other.close()
        assert {answer.result().status_code for answer in answers} == {202}


def test_whoever_opens_a_new_sqlite_file_waits_for_who_is_writing_the_first_page_of_it(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as first:
        first.execute("CREATE TABLE things (id INTEGER)")
        first.execute("BEGIN IMMEDIATE")
        with (
            contextlib.closing(Database(f"sqlite:///{tmp_path / 'new.db'}")) as database,
            ThreadPoolExecutor(1) as pool,
        ):
            second = pool.submit(_writes, database)
            with pytest.raises(TimeoutError):
                second.result(0.5)
            first.execute("COMMIT")
            assert second.result(60)


def test_a_commit_is_on_disk_before_it_is_answered_on_both_databases(database: Database) -> None:
    with database.writing() as connection:
        if database.is_sqlite:
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2, "FULL"
        else:
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"


def test_a_host_whose_clock_is_wrong_neither_prolongs_nor_cuts_short_a_lease_on_postgresql(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(new_postgres_database(postgres))
    monkeypatch.delattr(storage.engine, "datetime")  # the host knows no time at all
    house = House(database)
    job_id = house.submit()
    house.claim_one(lease_s=60.0)
    with database.reading() as connection:
        now = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    lease_until = JobStore(database).get(job_id).lease_until
    assert lease_until is not None
    assert timedelta(seconds=30) < lease_until - now <= timedelta(seconds=60)
    assert Claims(database).lose_expired() == []
    database.close()


def test_of_connections_that_were_cut_at_once_only_the_first_is_noticed_by_a_client(postgres: str) -> None:
    """A proxy that restarts cuts them all, and within the half second in which none is tested."""
    database = Database(new_postgres_database(postgres))
    with contextlib.ExitStack() as opened:
        for _ in range(4):
            opened.enter_context(database.writing())
    with contextlib.closing(Database(database.url)) as operator, operator.reading() as connection:
        connection.execute(text(_CUT_THE_OTHERS))
    outcomes = [_writes(database) for _ in range(6)]
    database.close()
    assert outcomes == [False] + [True] * 5


def _writes(database: Database) -> bool:
    try:
        with database.writing() as connection:
            connection.execute(text("SELECT 1"))
        return True
    except StoreUnavailable:
        return False


_CUT_THE_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""
