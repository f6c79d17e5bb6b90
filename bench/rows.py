"""What many rows cost: submits and claims in a database that holds ten finished jobs, beside one that holds a
million. The job store as API and worker call it, without HTTP, which would hide it."""

import contextlib
import time
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import insert, text

from bench.contestants import POSTGRESQL, place
from bench.results import Plan, Results, interleave
from jobs import lifecycle
from jobs.identity import new_job_id
from jobs.values import Job, Priority, Status, Submission
from storage.changes.rows import row_of
from storage.claiming.claims import Claims, Ending
from storage.engine import Database
from storage.jobs.store import JobStore
from storage.migrations import upgrade
from storage.tables import ATTEMPTS, JOBS
from tests.servers import PostgresServer

_MANY, _QUICK_MANY, _FEW = 1_000_000, 100_000, 10
_JOBS = 2_048
_BATCH = 64


def run(plan: Plan, results: Results) -> None:
    """Each database. A submit is measured in transactions of 64, a claim with its conclusion in batches of 8."""
    for kind in plan.databases:
        with contextlib.ExitStack() as opened:
            server = opened.enter_context(PostgresServer()) if kind == POSTGRESQL else None
            databases = {}
            for rows in (_FEW, _QUICK_MANY if plan.quick else _MANY):
                _, url, _ = opened.enter_context(place(server))
                databases[f"{rows:,} rows"] = database = opened.enter_context(contextlib.closing(Database(url)))
                upgrade(database)
                _fill(database, rows)
                _work(database)  # statements compiled, pages in memory
            _compare(plan, results, kind, databases)


def _compare(plan: Plan, results: Results, kind: str, databases: dict[str, Database]) -> None:
    def measure(who: str) -> None:
        results.add("rows", kind, "the job store alone", who, **_work(databases[who]))

    interleave(plan.rounds, {who: (lambda who=who: measure(who)) for who in databases})


def _work(database: Database) -> dict[str, float]:
    """Submits and claims a second, and what each takes of this process's time: on SQLite, all of it."""
    store, claims = JobStore(database), Claims(database)
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(_JOBS // _BATCH):
        store.submit([_submission() for _ in range(_BATCH)])
    submitted, submitted_cpu = time.perf_counter(), time.process_time()
    while jobs := claims.claim("default", "bench", 60, lambda _: 7):
        claims.conclude([Ending(job.id, job.fence, _succeed) for job in jobs])
    return {
        "submits": _JOBS / (submitted - began),
        "claims": _JOBS / (time.perf_counter() - submitted),
        "submit_cpu_ms": (submitted_cpu - cpu) * 1000 / _JOBS,
        "claim_cpu_ms": (time.process_time() - submitted_cpu) * 1000 / _JOBS,
    }


def _succeed(job: Job, now: datetime) -> lifecycle.Change:
    return lifecycle.succeed(job, [], now, load_s=0.0, run_s=0.0)


def _submission() -> Submission:
    which = (new_job_id(), "default", "default", "noop", "1", Priority.INTERACTIVE)
    return Submission(*which, {"prompt": "a bench"}, {}, "key", 1, 1, 3)


def _fill(database: Database, rows: int) -> None:
    """Finished jobs with their attempts: one, and then copies of it that differ in their ids."""
    now = datetime.now(UTC)
    job = lifecycle.submit(_submission(), now)
    job = replace(job, id=_ID.format("0" * 12), status=Status.SUCCEEDED, attempt=1, fence=1, seq=3)
    job = replace(job, worker="bench", started_at=now, finished_at=now, run_s=0.0, load_s=0.0)
    attempt = {"job_id": job.id, "fence": 1, "number": 1, "worker": "bench", "details": "", "outcome": "succeed"}
    number = "lpad(to_hex(n), 12, '0')" if not database.is_sqlite else "printf('%012x', n)"
    one_more = f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows - 1}) "
    with database.writing() as connection:
        connection.execute(insert(JOBS), [row_of(job)])
        connection.execute(insert(ATTEMPTS), [attempt | {"started_at": now, "finished_at": now}])
        if not database.is_sqlite:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        for table, key in ((JOBS, "id"), (ATTEMPTS, "job_id")):
            names = [column.name for column in table.columns]
            values = [f"'{_ID.format('')}' || {number}" if name == key else f"t.{name}" for name in names]
            copied = f"SELECT {', '.join(values)} FROM numbers, {table.name} t"
            connection.execute(text(f"INSERT INTO {table.name} ({', '.join(names)}) {one_more} {copied}"))
    with database.reading() as connection:
        connection.exec_driver_sql("ANALYZE")


_ID = "01900000-0000-7000-8000-{}"  # older than any id made now
