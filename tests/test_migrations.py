"""Migrations on both databases: from nothing to the newest revision, and what `db check` would say of it."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.engine import Database
from storage.jobs.store import JobStore
from storage.migrations import differences, revisions, upgrade
from tests.servers import new_postgres_database

REPOSITORY = Path(__file__).parent.parent
UPGRADE = (
    "import sys; from storage.engine import Database; from storage.migrations import upgrade; "
    "upgrade(Database(sys.argv[1]))"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with nothing in it."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'new' / 'empty.db'}")
    else:
        database = Database(new_postgres_database(request.getfixturevalue("postgres")))
        run(database, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    yield database
    database.close()


def run(database: Database, *statements: str) -> None:
    with database.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_an_empty_database_is_brought_to_the_newest_revision(empty: Database) -> None:
    current, newest = revisions(empty)
    assert current is None
    assert newest is not None
    upgrade(empty)
    assert revisions(empty) == (newest, newest)
    assert JobStore(empty).list("default") == []


def test_after_the_upgrade_database_and_tables_agree(empty: Database) -> None:
    assert differences(empty) != []
    upgrade(empty)
    assert differences(empty) == []


def test_upgrading_again_changes_nothing_and_keeps_what_is_stored(database: Database) -> None:
    run(database, "INSERT INTO changes (job_id) VALUES ('kept')")
    before = revisions(database)
    upgrade(database)
    assert revisions(database) == before
    with database.reading() as connection:
        assert connection.execute(text("SELECT job_id FROM changes")).scalars().all() == ["kept"]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE jobs DROP COLUMN run_s", "run_s"),
        ("ALTER TABLE jobs ADD COLUMN colour TEXT", "colour"),
        ("DROP INDEX ix_jobs_claim", "ix_jobs_claim"),
        ("DROP TABLE changes", "changes"),
        ("CREATE TABLE strange (id INTEGER PRIMARY KEY)", "strange"),
    ],
)
def test_each_way_in_which_they_differ_is_told_by_name(database: Database, statement: str, said: str) -> None:
    assert differences(database) == []
    run(database, statement)
    found = differences(database)
    assert len(found) == 1
    assert said in found[0]


def test_threads_may_all_upgrade_at_once(empty: Database) -> None:
    databases = [Database(empty.url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, databases))
    for database in databases:
        database.close()
    assert differences(empty) == []


def test_processes_that_start_together_may_all_upgrade(empty: Database) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", UPGRADE, empty.url], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert differences(empty) == []


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(empty: Database) -> None:
    run(empty, "CREATE TABLE idempotency_keys (id INTEGER PRIMARY KEY)")
    with pytest.raises(Exception, match="already exists"):
        upgrade(empty)
    assert revisions(empty)[0] is None
    run(empty, "DROP TABLE idempotency_keys")
    upgrade(empty)
    assert differences(empty) == []
