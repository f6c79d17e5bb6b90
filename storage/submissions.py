"""Accepting jobs: rows, idempotency keys and feed of many submissions in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, tuple_

from jobs import lifecycle
from jobs.values import Job, Submission
from storage.rows import JOB_COLUMNS, job_of, row_of
from storage.tables import CHANGES, IDEMPOTENCY, JOBS


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of one submission: a new job, the job its key made before, or a conflict of keys."""

    job: Job | None
    replayed: bool = False

    @property
    def conflict(self) -> bool:
        return self.job is None


def insert_submissions(
    connection: Connection, wanted: Sequence[Submission], now: datetime
) -> list[Submitted]:
    """Insert what is new; answer what is known. A key seen twice in one call makes one job."""
    known = _jobs_by_key(connection, wanted)
    answers: list[Submitted] = []
    fresh: list[tuple[Submission, Job]] = []
    for submission in wanted:
        key = (submission.tenant, submission.idempotency_key or "")
        if submission.idempotency_key and key in known:
            body_hash, job = known[key]
            answers.append(
                Submitted(job, replayed=True) if body_hash == submission.body_hash else Submitted(None)
            )
            continue
        job = lifecycle.submit(submission, now)
        fresh.append((submission, job))
        answers.append(Submitted(job))
        if submission.idempotency_key:
            known[key] = (submission.body_hash, job)
    _insert(connection, fresh, now)
    return answers


def _insert(connection: Connection, fresh: Sequence[tuple[Submission, Job]], now: datetime) -> None:
    if not fresh:
        return
    connection.execute(insert(JOBS), [row_of(job) for _, job in fresh])
    connection.execute(insert(CHANGES), [{"job_id": job.id} for _, job in fresh])
    keys = [
        {
            "tenant": submission.tenant,
            "key": submission.idempotency_key,
            "body_hash": submission.body_hash,
            "job_id": job.id,
            "created_at": now,
        }
        for submission, job in fresh
        if submission.idempotency_key
    ]
    if keys:
        connection.execute(insert(IDEMPOTENCY), keys)


def _jobs_by_key(
    connection: Connection, wanted: Sequence[Submission]
) -> dict[tuple[str, str], tuple[str, Job]]:
    keys = [(s.tenant, s.idempotency_key) for s in wanted if s.idempotency_key]
    if not keys:
        return {}
    rows = connection.execute(
        select(IDEMPOTENCY.c.tenant, IDEMPOTENCY.c.key, IDEMPOTENCY.c.body_hash, *JOB_COLUMNS)
        .join(JOBS, JOBS.c.id == IDEMPOTENCY.c.job_id)
        .where(tuple_(IDEMPOTENCY.c.tenant, IDEMPOTENCY.c.key).in_(keys))
    )
    return {(row[0], row[1]): (row[2], job_of(row[3:])) for row in rows}
