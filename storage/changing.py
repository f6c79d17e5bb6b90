"""Applying changes: the only write to a job's status anywhere. Each change is one guarded UPDATE, with its
`seq`, its place in the feed, its line in the attempts' history and what it means for the job's webhook in the
same transaction."""

from collections.abc import Sequence
from enum import Enum

from sqlalchemy import Connection, insert, update

from jobs.lifecycle import Change
from jobs.values import Job, Status
from storage.deliveries import record_events
from storage.feed import append, entry_of
from storage.rows import JOB_COLUMNS, job_of
from storage.tables import ARTIFACTS, ATTEMPTS, JOBS


def change(connection: Connection, job_id: str, wanted: Change) -> Job | None:
    """Apply one change if its guards still hold.

    Returns:
        The job as it now stands, or None when the guards did not hold and nothing was written.
    """
    changed = change_all(connection, [job_id], wanted)
    return changed[0] if changed else None


def change_all(connection: Connection, job_ids: Sequence[str], wanted: Change) -> list[Job]:
    """Apply the same change to several jobs in one statement; those whose guards hold come back."""
    counted = {name: JOBS.c[name] + step for name, step in {**wanted.increments, "seq": 1}.items()}
    query = update(JOBS).where(JOBS.c.id.in_(job_ids), JOBS.c.status.in_([status.value for status in wanted.before]))
    if wanted.fence is not None:
        query = query.where(JOBS.c.fence == wanted.fence)
    values = {name: v.value if isinstance(v, Enum) else v for name, v in wanted.values.items()}
    rows = connection.execute(query.values(**values, **counted).returning(*JOB_COLUMNS)).all()
    changed = [job_of(row) for row in rows]
    if changed:
        append(connection, [entry_of(job, wanted.verb) for job in changed])
        _list_artifacts(connection, changed)
        _keep_history(connection, changed, wanted)
        if "status" in wanted.values:
            record_events(connection, changed)
    return changed


def _list_artifacts(connection: Connection, changed: Sequence[Job]) -> None:
    succeeded = [job for job in changed if job.status is Status.SUCCEEDED]
    listed = [{"key": key, "job_id": job.id} for job in succeeded for key in {o.key for o in job.outputs}]
    if listed:
        connection.execute(insert(ARTIFACTS), listed)


def _keep_history(connection: Connection, changed: Sequence[Job], wanted: Change) -> None:
    """A claim begins an attempt; every other change that leaves `running` ends it."""
    if wanted.verb == "claim":
        begun = [
            {
                "job_id": job.id,
                "fence": job.fence,
                "number": job.attempt,
                "worker": job.worker,
                "started_at": job.started_at,
                "details": "",
            }
            for job in changed
        ]
        connection.execute(insert(ATTEMPTS), begun)
    elif Status.RUNNING in wanted.before and "status" in wanted.values:
        for job in changed:
            connection.execute(
                update(ATTEMPTS)
                .where(ATTEMPTS.c.job_id == job.id, ATTEMPTS.c.fence == job.fence)
                .values(
                    finished_at=wanted.at,
                    outcome=wanted.verb,
                    error=wanted.values.get("error"),
                    details=wanted.details,
                )
            )
