"""A courier's turn at a batch, and lists of batches and files, cost the same however much has ended."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text

from jobs import lifecycle
from jobs.batches import Batch
from jobs.identity import new_batch_id, new_file_id, new_job_id
from storage.batches.files import Files
from storage.batches.store import Batches, Wanted
from storage.batches.turns import BatchTurns, Taken
from storage.changes.rows import row_of
from storage.claiming.claims import Claims
from storage.engine import Database
from storage.migrations import upgrade
from storage.tables import ATTEMPTS, BATCH_LINES, BATCHES, FILES, JOBS
from tests.batches import submission, success
from tests.query_plans import costs_of
from tests.servers import new_postgres_database

ENDED = 10_000
TOUCHED_MOST = 1_500
LONG_AGO = datetime.now(UTC) - timedelta(days=30)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def crowded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with many files, ended batches, and a batch under way of which many lines have ended."""
    if request.param == "postgresql":
        database = Database(new_postgres_database(request.getfixturevalue("postgres")))
    else:
        database = Database(f"sqlite:///{tmp_path_factory.mktemp('crowded') / 'jobs.db'}")
        upgrade(database)
    ids = sorted(new_file_id() for _ in range(ENDED))
    file = {
        "tenant": "t",
        "purpose": "batch",
        "filename": "a",
        "bytes": 1,
        "created_at": LONG_AGO,
        "expires_at": None,
    }
    job = row_of(lifecycle.submit(submission(), LONG_AGO)) | {"status": "succeeded", "finished_at": LONG_AGO}
    jobs = [job | {"id": new_job_id()} for _ in range(ENDED)]
    attempt = {"fence": 1, "number": 1, "worker": "w", "started_at": LONG_AGO, "details": "", "outcome": "succeed"}
    with database.writing() as connection:
        connection.execute(insert(JOBS), jobs)
        connection.execute(insert(ATTEMPTS), [attempt | {"job_id": one["id"]} for one in jobs])
        connection.execute(insert(FILES), [file | {"id": file_id} for file_id in ids])
    begin(database, ids[0])
    with database.writing() as connection:
        made = connection.execute(BATCHES.select()).mappings().one()
        over = {"due_at": None, "finished_at": LONG_AGO, "status": "completed", "idempotency_key": None}
        ended = [{**made, **over, "id": new_batch_id(), "input_file_id": file_id} for file_id in ids]
        connection.execute(insert(BATCHES), [{**one, "body_hash": one["id"]} for one in ended])
        line = {"batch_id": made["id"], "custom_id": "c", "state": "completed", "error": None}
        lines = [line | {"line": number, "job_id": one["id"]} for number, one in enumerate(jobs, 1)]
        connection.execute(insert(BATCH_LINES), lines)
        connection.execute(
            BATCHES.update().where(BATCHES.c.id == made["id"]).values(status="in_progress", line=ENDED)
        )
        connection.execute(text("ANALYZE"))
    yield database
    database.close()


def begin(database: Database, file_id: str, **given: Any) -> Batch:
    values = {"endpoint": "/v1/jobs", "input_file_id": file_id, "completion_window": "24h", "window_s": 86_400}
    rest = {"metadata": {}, "keep_s": None, "origin": "", "body_hash": "h"}
    return Batches(database).create(Wanted(**{"tenant": "t", **values, **rest, **given}))


def take_a_turn(database: Database) -> None:
    turns, claims = BatchTurns(database, -1.0), Claims(database)
    assert Batches(database).due(64)
    batch = turns.claim()
    assert batch
    taken = [Taken(batch.line + number, f"c{number}", submission(queue="turn")) for number in (1, 2, 3)]
    batch, jobs = turns.take_in(batch, taken, batch.line + 3, batch.position + 3)
    held = claims.claim("turn", "w", 60.0, lambda _: 1)
    claims.conclude([success(job.id, job.fence) for job in held])
    batch, ended = turns.settle(batch)
    assert ended == len(held) == len(jobs) - 1
    assert len(turns.stop(batch)) == 1
    assert turns.settle(batch)[1] == 1
    assert next(turns.ended(batch, 20)).line == 1
    turns.release(batch, moved=False)
    with database.writing() as connection:
        connection.execute(BATCHES.update().where(BATCHES.c.id == batch.id).values(due_at=LONG_AGO))


def _batches(act: Callable[[Batches], Any]) -> Callable[[Database], Any]:
    return lambda database: act(Batches(database))


def _files(act: Callable[[Files], Any]) -> Callable[[Database], Any]:
    return lambda database: act(Files(database))


def begin_again(database: Database) -> None:
    (file,) = Files(database).page("t", purpose="batch", after=None, limit=1)
    batch = begin(database, file.id, idempotency_key=file.id)
    assert begin(database, file.id, idempotency_key=file.id).id == batch.id
    assert begin(database, file.id, resent=True).id
    Batches(database).cancel(batch.id, "t")


DUTIES: dict[str, Callable[[Database], Any]] = {
    "a turn": take_a_turn,
    "begin, again, cancel": begin_again,
    "batches": _batches(lambda batches: batches.page("t", batches.page("t", None, 1)[0].id, 20)),
    "retire batches": _batches(lambda batches: batches.retire(0.0, 5)),
    "files": _files(lambda files: files.page("t", purpose=None, after=None, limit=50)),
    "files of a purpose, oldest first": _files(
        lambda files: files.page("t", purpose="batch", after="file-0", limit=50, oldest_first=True)
    ),
    "files of a purpose nobody has": _files(lambda files: files.page("t", purpose="vision", after=None, limit=50)),
    "expire files": _files(lambda files: files.expire()),
    "known files": _files(lambda files: files.known([new_file_id() for _ in range(100)])),
}


@pytest.mark.parametrize("duty", DUTIES.values(), ids=DUTIES)
def test_nothing_reads_what_has_ended_unless_it_wants_it(crowded: Database, duty: Callable[[Database], Any]) -> None:
    with costs_of(crowded) as costs:
        duty(crowded)
    assert costs, "nothing was asked"
    dear = [str(cost) for cost in costs if cost.scans or cost.touched > TOUCHED_MOST]
    assert not dear, "\n".join(dear)
