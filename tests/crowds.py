"""A crowd: rows of many jobs that are finished, and of a few that are not, for tests of what statements cost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, text

from jobs import lifecycle
from jobs.identity import first_id_since, new_id
from jobs.uploads import Content, brought
from storage.changes.rows import row_of
from storage.claiming.claims import Claims
from storage.engine import Database
from storage.jobs.store import JobStore
from storage.media.uploads import upload_row
from storage.tables import (
    ARTIFACTS,
    ATTEMPTS,
    CHANGES,
    DELIVERIES,
    IDEMPOTENCY,
    JOBS,
    RESULTS,
    UPLOAD_USES,
    UPLOADS,
)
from tests.batches import submission
from tests.companies import end_many_groups

FINISHED = 20_000

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=30)
ADDRESS = {"tenant": "t", "event": "completed", "url": "http://x", "host": "x", "body": "{}"}


def crowd(database: Database) -> None:
    """Fill it, and let the planner know."""
    _finish_many(database)
    _begin_some(database)
    end_many_groups(database, 2_000)
    with database.writing() as connection:
        connection.execute(text("ANALYZE"))


def _finish_many(database: Database) -> None:
    made = row_of(lifecycle.submit(submission(), LONG_AGO))
    ids = [first_id_since(LONG_AGO + timedelta(seconds=number)) for number in range(FINISHED)]
    jobs = [
        made
        | {
            "id": job_id,
            "status": "failed" if number % 500 == 0 else "succeeded",
            "model": "rare" if number % 1000 == 0 else "m",
            "finished_at": LONG_AGO + timedelta(seconds=number),
            "worker": "dead",
            "deadline": LONG_AGO if number % 2 else None,
        }
        for number, job_id in enumerate(ids)
    ]
    attempt = {"fence": 1, "number": 1, "worker": "dead", "started_at": LONG_AGO, "details": "", "outcome": "succeed"}
    used = {"created_at": LONG_AGO, "last_used_at": LONG_AGO}
    tried = {"status": "delivered", "tries": 1, "fence": 1, "created_at": LONG_AGO, "next_try_at": None}
    delivery = ADDRESS | tried
    rows: dict[Any, list[dict[str, Any]]] = {
        JOBS: jobs,
        IDEMPOTENCY: [
            {"tenant": "t", "key": f"key-{number}", "body_hash": "h", "job_id": job_id, "created_at": LONG_AGO}
            for number, job_id in enumerate(ids)
        ],
        ATTEMPTS: [attempt | {"job_id": job_id} for job_id in ids],
        ARTIFACTS: [{"key": f"{number}.png", "job_id": job_id} for number, job_id in enumerate(ids)],
        RESULTS: [
            {"tenant": "t", "cache_key": f"work-{number}", "job_id": job_id, **used}
            for number, job_id in enumerate(ids)
        ],
        CHANGES: [{"job_id": job_id, "verb": "succeed", "model": "m"} for job_id in ids],
        DELIVERIES: [
            delivery | {"id": new_id(), "job_id": job_id, "finished_at": LONG_AGO + timedelta(seconds=number)}
            for number, job_id in enumerate(ids)
        ],
        **_uploads_of(ids),
    }
    with database.writing() as connection:
        for table, some in rows.items():
            connection.execute(insert(table), some)


def _uploads_of(job_ids: list[str]) -> dict[Any, list[dict[str, Any]]]:
    """To each its own, ready long ago and still kept."""
    content = Content("", "ab", 7, "image/png")
    uploads = [
        upload_row(brought(new_id(), "t", None, replace(content, key=f"up-{number}.png"), NOW, LONG_AGO))
        for number, _ in enumerate(job_ids)
    ]
    uses = [{"upload_id": upload["id"], "job_id": job_id} for upload, job_id in zip(uploads, job_ids, strict=True)]
    return {UPLOADS: uploads, UPLOAD_USES: uses}


def _begin_some(database: Database) -> None:
    store, claims = JobStore(database), Claims(database)
    queues = ["gpu"] * 60 + ["cpu"] * 20
    store.submit([submission(queue=queue) for queue in queues])
    store.submit([submission(queue="late", deadline=NOW - timedelta(seconds=1)) for _ in range(5)])
    needed = submission(queue="needed")
    store.submit([needed, *(submission(needs=(needed.id,)) for _ in range(5))])
    claims.claim("gpu", "slow", -5.0, lambda _: 4)
    claims.claim("gpu", "busy", 600.0, lambda _: 4)
    pending = ADDRESS | {
        "job_id": new_id(),
        "status": "pending",
        "tries": 0,
        "fence": 0,
        "created_at": NOW,
        "next_try_at": NOW - timedelta(seconds=5),
    }
    with database.writing() as connection:
        connection.execute(insert(DELIVERIES), [pending | {"id": new_id()} for _ in range(5)])
