"""What jobs wait for. A job that needs others is `waiting` until all of them are there; who needs what is written
down with the job, and those that are needed learn of it, so that their end has a consequence."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from jobs import lifecycle
from jobs.values import FINAL, Fault, IfNeedFails, Job, Status, Submission
from storage.changes.changing import change_all
from storage.changes.outbox import Consequence, mark_consequential, write_down
from storage.changes.rows import JOB_COLUMNS, job_of
from storage.media.attaching import faults_of, outcomes_of
from storage.statuses import FETCHABLE
from storage.tables import JOBS, NEEDS, UPLOADS

GONE = "gone"  # stands for the status of what was deleted


def missing_needs(connection: Connection, wanted: Sequence[Submission]) -> dict[str, tuple[str, ...]]:
    """By submission, what it needs and its tenant does not have. What these need stays as it is until the
    transaction ends: nobody finishes, or is deleted, between this look and the row that waits for it."""
    needed = {need for submission in wanted for need in submission.needs}
    if not needed:
        return {}
    query = select(JOBS.c.id, JOBS.c.tenant).where(JOBS.c.id.in_(needed)).order_by(JOBS.c.id).with_for_update()
    tenants = dict(tuple(row) for row in connection.execute(query))
    tenants |= {submission.id: submission.tenant for submission in wanted}
    missing = {s.id: tuple(need for need in s.needs if tenants.get(need) != s.tenant) for s in wanted}
    return {job_id: needs for job_id, needs in missing.items() if needs}


def await_needs(connection: Connection, jobs: Iterable[Job]) -> None:
    """Write down what waiting jobs wait for. What is over already, or gone, has its consequence at once."""
    waiting = [job for job in jobs if job.status is Status.WAITING and job.needs]
    if not waiting:
        return
    needed = sorted({need for job in waiting for need in job.needs})
    query = select(JOBS.c.id, JOBS.c.status).where(JOBS.c.id.in_(needed)).order_by(JOBS.c.id).with_for_update()
    statuses: dict[str, str] = dict(tuple(row) for row in connection.execute(query))
    statuses |= outcomes_of(connection, set(needed) - statuses.keys())
    mark_consequential(connection, needed)
    connection.execute(delete(NEEDS).where(NEEDS.c.job_id.in_([job.id for job in waiting])))
    connection.execute(insert(NEEDS), [{"need_id": need, "job_id": job.id} for job in waiting for need in job.needs])
    over = {need: statuses.get(need, GONE) for need in needed}
    write_down(connection, {need: status for need, status in over.items() if _is_over(status)})


def meet_needs(connection: Connection, happened: Sequence[Consequence], now: datetime) -> list[Job]:
    """Of those that wait for what is over now: release those that have all they need, and end those that will
    never have it. What was retried since is not over: its next end will be heard of.

    Returns:
        The jobs that changed.
    """
    over = {one.subject: one.status for one in happened if _is_over(one.status)}
    if not over:
        return []
    query = select(NEEDS.c.job_id, NEEDS.c.need_id).where(NEEDS.c.need_id.in_(over))
    met: dict[str, list[str]] = {}
    waits = connection.execute(query).all()
    begun_again = _unfinished(connection, {row.need_id for row in waits})
    over = {need_id: status for need_id, status in over.items() if need_id not in begun_again}
    for job_id, need_id in waits:
        if need_id in over:
            met.setdefault(job_id, []).append(need_id)
    if not met:
        return []
    waiting = [job for job in _locked(connection, met) if job.status is Status.WAITING]
    connection.execute(delete(NEEDS).where(NEEDS.c.need_id.in_(over), NEEDS.c.job_id.in_(list(met))))
    failed = [job for job in waiting if _fails(job, [over[need] for need in met[job.id]])]
    still = select(NEEDS.c.job_id).where(NEEDS.c.job_id.in_([job.id for job in waiting])).distinct()
    open_ones = set(connection.execute(still).scalars()) | {job.id for job in failed}
    changed = change_all(connection, [job.id for job in waiting if job.id not in open_ones], lifecycle.release(now))
    return changed + _miss(connection, failed, met, now)


def _miss(
    connection: Connection, failed: Sequence[Job], met: Mapping[str, Sequence[str]], now: datetime
) -> list[Job]:
    """End those that will never have what they need; each hears why, where an input could not be fetched."""
    if not failed:
        return []
    faults = faults_of(connection, {need for job in failed for need in met[job.id]})
    alike: dict[tuple[IfNeedFails, Fault], list[str]] = {}
    for job in failed:
        fault = next((faults[need] for need in met[job.id] if need in faults), lifecycle.NEED_FAILED)
        alike.setdefault((job.lineage.if_need_fails, fault), []).append(job.id)
    changes = ((ids, lifecycle.miss(policy, now, fault)) for (policy, fault), ids in alike.items())
    return [job for ids, change in changes for job in change_all(connection, ids, change)]


def _locked(connection: Connection, job_ids: Mapping[str, object]) -> list[Job]:
    """In the order of ids. Before their needs are looked at: two that are met in two transactions at once would each
    be taken for open by the other. Those too that wait no more: one that is retried now writes down its needs again,
    which must not be forgotten with the old ones."""
    query = select(*JOB_COLUMNS).where(JOBS.c.id.in_(list(job_ids))).order_by(JOBS.c.id).with_for_update()
    return [job_of(row) for row in connection.execute(query)]


def _unfinished(connection: Connection, needs: Collection[str]) -> set[str]:
    """Those of what is needed that are not over as they stand now."""
    if not needs:
        return set()
    jobs = select(JOBS.c.id).where(JOBS.c.id.in_(needs), JOBS.c.status.not_in(sorted(FINAL)))
    uploads = select(UPLOADS.c.id).where(UPLOADS.c.id.in_(needs), FETCHABLE)
    return {need for query in (jobs, uploads) for need in connection.execute(query).scalars()}


def _fails(job: Job, statuses: Sequence[str]) -> bool:
    runs_anyway = job.lineage.if_need_fails is IfNeedFails.RUN
    return not runs_anyway and any(status != Status.SUCCEEDED.value for status in statuses)


def _is_over(status: str) -> bool:
    return status == GONE or status in FINAL
