"""The group store, as the API sees it: submit, read, cancel, retry, delete. How a group follows its members is in
storage.jobs.settling."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from config.failpoints import failpoint
from jobs import lifecycle
from jobs.errors import Conflict, GroupNotFound, SafelightError
from jobs.groups import REOPENABLE, Group, GroupOrder, GroupStatus, Member
from jobs.identity import first_id_since
from jobs.values import FINAL, RETRYABLE, Job
from storage.changes.changing import change_each
from storage.changes.feed import Entry, append, entry_of
from storage.changes.outbox import record_deleted
from storage.engine import Database
from storage.jobs.group_rows import group_row, member_row, read_groups
from storage.jobs.needs import await_needs
from storage.jobs.settling import VERB, lock_jobs, noted, settle
from storage.jobs.submissions import Submitted, earlier, find_lacking, insert_submissions
from storage.media.attaching import want_again
from storage.tables import GROUPS, JOBS, MEMBERS
from storage.webhooks.deliveries import forget_deliveries

_LOOKS = 10  # each of many members may meet another process


class Overtaken(SafelightError):
    """Another process committed the same Idempotency-Key meanwhile."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """What became of an order: a new group with its jobs, the group that its key made before, or none: the key
    belongs to something else, or members (by id) need what their tenant does not have."""

    group: Group | None
    jobs: Sequence[Job] = ()
    replayed: bool = False
    lacking: dict[str, Submitted] = field(default_factory=dict)  # by member


@dataclass(frozen=True, slots=True)
class Moved:
    """A group after a cancel or a retry, and the jobs that changed with it."""

    group: Group
    jobs: Sequence[Job] = ()


class GroupStore:
    """Groups in the database. Synchronous; every method is one transaction.

    Raises:
        StoreUnavailable: from every method, when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def submit(self, order: GroupOrder) -> Ordered:
        """Commit the group with all its members, or nothing."""
        for _ in range(_LOOKS - 1):
            try:
                return self._submit(order)
            except (IntegrityError, Overtaken):  # the next look finds what the key made, or who began the same work
                continue
        return self._submit(order)

    def _submit(self, order: GroupOrder) -> Ordered:
        with self._database.writing() as connection:
            ordered = insert_group(connection, order, self._database.now(connection))
            failpoint("submit:committing")
        failpoint("submit:committed")
        return ordered

    def get_many(self, group_ids: Sequence[str]) -> Sequence[Group]:
        """Those that exist, in no particular order."""
        with self._database.reading() as connection:
            return read_groups(connection, group_ids)

    def list(
        self,
        tenant: str,
        *,
        statuses: Sequence[GroupStatus] = (),
        since: datetime | None = None,
        before_id: str | None = None,
        limit: int = 50,
    ) -> list[Group]:
        """Newest first: ids sort by time of creation."""
        query = select(GROUPS.c.id).where(GROUPS.c.tenant == tenant)
        if since:
            query = query.where(GROUPS.c.created_at >= since, GROUPS.c.id >= first_id_since(since))
        if before_id:
            query = query.where(GROUPS.c.id < before_id)
        query = query.order_by(GROUPS.c.id.desc()).limit(limit)
        walks = [query.where(GROUPS.c.status == status.value) for status in dict.fromkeys(statuses)] or [query]
        with self._database.reading() as connection:
            found = {group_id for walk in walks for group_id in connection.execute(walk).scalars()}
            newest = sorted(found, reverse=True)[:limit]
            return read_groups(connection, newest)[::-1]

    def unfinished(self, tenant: str, limit: int) -> Sequence[Group]:
        return self.list(tenant, statuses=(GroupStatus.WAITING, GroupStatus.RUNNING), limit=limit)

    def cancel(self, group_id: str, tenant: str | None = None) -> Moved:
        """Cancel all members that are not over. Nothing happens to a group that has ended."""
        with self._database.writing() as connection:
            group = _locked(connection, group_id, tenant)
            if group.final:
                return Moved(group)
            now = self._database.now(connection)
            return Moved(*settle(connection, group, replace(group, cancel_requested=True), now))

    def retry(self, group_id: str, tenant: str | None = None) -> Moved:
        """Queue the members again that ended without a result.

        Raises:
            Conflict: the group has not ended, or has succeeded.
        """
        with self._database.writing() as connection:
            group = _locked(connection, group_id, tenant)
            if group.status not in REOPENABLE:
                raise Conflict(f"A group that is {group.status} cannot be retried.")
            now = self._database.now(connection)
            jobs = lock_jobs(connection, [member.job_id for member in group.members if not member.succeeded])
            again = {job.id: lifecycle.retry(job, now) for job in jobs if job.status in RETRYABLE}
            changed = list(change_each(connection, again).values())
            want_again(connection, [need for job in changed for need in job.needs], now)
            await_needs(connection, changed)
            after = replace(group, status=GroupStatus.WAITING, cancel_requested=False, chosen=(), finished_at=None)
            after = noted(after, {job.id: job for job in changed}, now)
            settled, stopped = settle(connection, group, after, now)
            return Moved(settled, [*changed, *stopped])

    def delete(self, group_id: str, tenant: str | None = None) -> None:
        """Forget a group that has ended, and its members' jobs with all that only they list.

        Raises:
            Conflict: it has not ended, or a member was retried by itself and has not.
        """
        with self._database.writing() as connection:
            group = _locked(connection, group_id, tenant)
            jobs = lock_jobs(connection, [member.job_id for member in group.members])
            if not group.final or any(job.status not in FINAL for job in jobs):
                raise Conflict(f"A group that is {group.status} cannot be deleted: cancel it first.")
            connection.execute(delete(JOBS).where(JOBS.c.id.in_([job.id for job in jobs])))
            connection.execute(delete(GROUPS).where(GROUPS.c.id == group_id))
            append(connection, [*(entry_of(job, "delete") for job in jobs), Entry(group_id, VERB, "", None)])
            record_deleted(connection, jobs)
            for deleted in (group_id, *(job.id for job in jobs if job.webhook)):
                forget_deliveries(connection, deleted)

    def retire(self, age_s: float, limit: int = 500) -> int:
        """Forget groups that ended so long ago; says how many, `limit` at the most. Their jobs are retired by
        themselves."""
        with self._database.writing() as connection:
            before = self._database.now(connection) - timedelta(seconds=age_s)
            old = select(GROUPS.c.id).where(GROUPS.c.finished_at < before).order_by(GROUPS.c.finished_at).limit(limit)
            group_ids = connection.execute(old.with_for_update(skip_locked=True)).scalars().all()
            if group_ids:
                connection.execute(delete(GROUPS).where(GROUPS.c.id.in_(group_ids)))
                append(connection, [Entry(group_id, VERB, "", None) for group_id in group_ids])
            return len(group_ids)


def insert_group(connection: Connection, order: GroupOrder, now: datetime) -> Ordered:
    """The group, its members and what they need, with its key; nothing of it when something is wrong.

    Raises:
        Overtaken, IntegrityError: to be tried again, in a transaction of its own.
    """
    first = order.members[0]
    if before := earlier(connection, first):
        made = before.job.lineage.group if before.job else None
        groups = read_groups(connection, [made]) if made else []
        return Ordered(groups[0], replayed=True) if groups else Ordered(None)
    if lacking := find_lacking(connection, order.members, now):
        return Ordered(None, lacking=lacking)
    submitted = insert_submissions(connection, order.members, now)
    if any(one.replayed or one.job is None for one in submitted):
        raise Overtaken
    jobs = [one.job for one in submitted if one.job]
    group = _begun(order, jobs, now)
    connection.execute(insert(GROUPS), group_row(group))
    connection.execute(insert(MEMBERS), [member_row(group.id, member) for member in group.members])
    append(connection, [Entry(group.id, VERB, "", None)])
    return Ordered(group, jobs)


def _begun(order: GroupOrder, jobs: Sequence[Job], now: datetime) -> Group:
    members = tuple(
        Member(position, job.lineage.member or "", job.id, job.status.value, job.seq, False, None, None, ())
        for position, job in enumerate(jobs)
    )
    return Group(
        id=order.id,
        tenant=order.tenant,
        status=GroupStatus.WAITING,
        join=order.join,
        on_failure=order.on_failure,
        deadline=order.deadline,
        metadata=order.metadata,
        webhook=order.webhook,
        cancel_requested=False,
        chosen=(),
        error=None,
        seq=1,
        created_at=now,
        finished_at=None,
        members=members,
    )


def _locked(connection: Connection, group_id: str, tenant: str | None) -> Group:
    groups = read_groups(connection, [group_id], lock=True)
    if not groups or tenant not in (None, groups[0].tenant):
        raise GroupNotFound(f"There is no group {group_id}.")
    return groups[0]
