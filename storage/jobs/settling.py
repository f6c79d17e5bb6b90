"""Settling groups: what has become of a member's job is written into its group, the group is judged anew, and who is
not wanted any more is canceled. A consequence of the jobs' changes; or part of a cancel or a retry of the group."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from jobs import lifecycle
from jobs.document import job_document
from jobs.groups import DELETED, Group, Member, judge, measure
from jobs.values import Job, Status
from storage.changes.changing import change_each
from storage.changes.feed import Entry, append
from storage.changes.outbox import Consequence
from storage.changes.rows import JOB_COLUMNS, job_of
from storage.jobs.group_rows import group_row, member_row, read_groups
from storage.tables import GROUPS, JOBS, MEMBERS
from storage.webhooks.deliveries import record_group

VERB = "group"  # of a group's entries in the feed

_MOVING = ("status", "seq", "begun", "finished_at", "metric", "outputs")  # what a member's job may change


def settle_groups(connection: Connection, happened: Sequence[Consequence], now: datetime) -> list[Job | Group]:
    """Settle every group of which a member's job has changed.

    Returns:
        The groups that changed, and the jobs that were canceled with it.
    """
    subjects = [one.subject for one in happened]
    query = select(MEMBERS.c.group_id).where(MEMBERS.c.job_id.in_(subjects)).distinct()
    group_ids = connection.execute(query).scalars().all()
    if not group_ids:
        return []
    groups = read_groups(connection, group_ids, lock=True)
    seen: dict[str, Job | None] = dict.fromkeys(subjects)
    query_jobs = select(*JOB_COLUMNS).where(JOBS.c.id.in_(subjects))
    seen.update((job.id, job) for job in map(job_of, connection.execute(query_jobs)))
    changed: list[Job | Group] = []
    for group in groups:
        settled, stopped = settle(connection, group, noted(group, seen, now), now)
        changed += [settled, *stopped] if settled.seq > group.seq else stopped
    return changed


def settle(connection: Connection, before: Group, after: Group, now: datetime) -> tuple[Group, list[Job]]:
    """Judge the group as it is `after` something happened, act on that, and write down what differs from `before`.
    The caller has locked it.

    Returns:
        The group as it now stands, and the jobs that were canceled.
    """
    stopped: list[Job] = []
    verdict = judge(after)
    if verdict.stop:
        stopped = stop_members(connection, after, now)
        after = replace(after, chosen=verdict.chosen)
        after = noted(after, {job.id: job for job in stopped}, now)
        verdict = judge(after)
    after = replace(after, status=verdict.status, chosen=verdict.chosen, error=verdict.error)
    after = replace(after, finished_at=(after.finished_at or now) if after.final else None)
    if after == before:
        return before, stopped
    after = replace(after, seq=before.seq + 1)
    _write(connection, before, after)
    if after.final and (not before.final or after.status is not before.status):
        record_group(connection, after)
    return after, stopped


def noted(group: Group, seen: Mapping[str, Job | None], now: datetime) -> Group:
    """The group with its members as these jobs stand; None: the job is gone."""
    news = {m.position: _noted(group, m, seen[m.job_id], now) for m in group.members if m.job_id in seen}
    return replace(group, members=tuple(news.get(member.position, member) for member in group.members))


def lock_jobs(connection: Connection, job_ids: Collection[str]) -> list[Job]:
    """In the order of ids."""
    query = select(*JOB_COLUMNS).where(JOBS.c.id.in_(job_ids)).order_by(JOBS.c.id).with_for_update()
    return [job_of(row) for row in connection.execute(query)]


def stop_members(connection: Connection, group: Group, now: datetime) -> list[Job]:
    """Cancel those that are not over: at once, or at their next step."""
    jobs = lock_jobs(connection, [member.job_id for member in group.members if not member.over])
    wanted = {job.id: change for job in jobs if (change := lifecycle.cancel(job, now))}
    return list(change_each(connection, wanted).values())


def _noted(group: Group, member: Member, job: Job | None, now: datetime) -> Member:
    if job is None:
        return replace(member, status=DELETED, outputs=(), metric=None)
    if job.seq < member.seq:
        return member
    path = group.join.metric
    return replace(
        member,
        status=job.status.value,
        seq=job.seq,
        begun=member.begun or job.attempt > 0,
        finished_at=job.finished_at,
        metric=measure(job_document(job, now=now), path) if path and job.status is Status.SUCCEEDED else None,
        outputs=job.outputs,
    )


def _write(connection: Connection, before: Group, after: Group) -> None:
    """Guarded by the seq, though whoever settles holds the lock."""
    which = update(GROUPS).where(GROUPS.c.id == before.id, GROUPS.c.seq == before.seq)
    if connection.execute(which.values(group_row(after))).rowcount != 1:
        raise RuntimeError(f"the group {before.id} changed under its lock")
    _write_members(connection, after.id, set(after.members) - set(before.members))
    append(connection, [Entry(after.id, VERB, "", None)])


def _write_members(connection: Connection, group_id: str, members: Iterable[Member]) -> None:
    rows = [member_row(group_id, member) for member in members]
    if not rows:
        return
    which = update(MEMBERS).where(MEMBERS.c.group_id == group_id, MEMBERS.c.position == bindparam("at"))
    cells = [{"at": row["position"], **{f"new_{name}": row[name] for name in _MOVING}} for row in rows]
    connection.execute(which.values({name: bindparam(f"new_{name}") for name in _MOVING}), cells)
