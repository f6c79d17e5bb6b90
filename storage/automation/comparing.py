"""Comparing shadow jobs with the jobs that they did again: how many, how fast, how many the same to the bit."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from jobs.values import FINAL, Job, Status
from storage.changes.outbox import Consequence
from storage.changes.rows import JOB_COLUMNS, job_of
from storage.tables import COMPARISONS, JOBS

_DONE = (Status.SUCCEEDED, Status.FAILED)


def compare_shadows(connection: Connection, happened: Sequence[Consequence], now: datetime) -> list[Job]:
    """Of shadow jobs that are over now: what came of them, for their alias. Changes no job."""
    over = [one.subject for one in happened if one.status in FINAL]
    shadows = [job for job in _jobs(connection, over) if job.lineage.shadow_of and job.status in _DONE]
    originals = {job.id: job for job in _jobs(connection, [shadow.lineage.shadow_of or "" for shadow in shadows])}
    for shadow in sorted(shadows, key=lambda job: (job.lineage.alias or "", job.model, job.model_version)):
        original = originals.get(shadow.lineage.shadow_of or "")
        if original is not None and original.status is Status.SUCCEEDED:
            _count(connection, shadow, original)
    return []


def _count(connection: Connection, shadow: Job, original: Job) -> None:
    values = {"compared": COMPARISONS.c.compared + 1}
    if shadow.status is Status.SUCCEEDED:
        same = [one.sha256 for one in shadow.outputs] == [one.sha256 for one in original.outputs]
        values["equal"] = COMPARISONS.c.equal + int(same)
        values["shadow_run_s"] = COMPARISONS.c.shadow_run_s + (shadow.run_s or 0.0)
        values["run_s"] = COMPARISONS.c.run_s + (original.run_s or 0.0)
    else:
        values["failed"] = COMPARISONS.c.failed + 1
    which = (
        COMPARISONS.c.tenant == shadow.tenant,
        COMPARISONS.c.alias == (shadow.lineage.alias or ""),
        COMPARISONS.c.model == f"{shadow.model}@{shadow.model_version}",
    )
    connection.execute(update(COMPARISONS).where(*which).values(values))


def _jobs(connection: Connection, job_ids: Sequence[str]) -> list[Job]:
    if not job_ids:
        return []
    return [job_of(row) for row in connection.execute(select(*JOB_COLUMNS).where(JOBS.c.id.in_(job_ids)))]
