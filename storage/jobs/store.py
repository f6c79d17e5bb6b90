"""The job store, as the API sees it: submit, read, cancel, retry, delete."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, delete, func, literal, select, union_all
from sqlalchemy.exc import IntegrityError

from config.failpoints import failpoint
from jobs import lifecycle
from jobs.errors import Conflict, JobNotFound
from jobs.identity import first_id_since
from jobs.values import FINAL, Attempt, Job, Status, Submission
from storage.changes.changing import change
from storage.changes.feed import append, entry_of
from storage.changes.outbox import record_deleted
from storage.changes.rows import JOB_COLUMNS, attempt_of, job_of
from storage.engine import Database
from storage.jobs.needs import await_needs
from storage.jobs.submissions import Submitted, insert_submissions
from storage.lists import one_of
from storage.media.attaching import want_again
from storage.statuses import QUEUED, WAITING
from storage.tables import ARTIFACTS, ATTEMPTS, JOBS, UPLOADS
from storage.webhooks.deliveries import forget_deliveries

_OF_IDS = select(*JOB_COLUMNS).where(one_of(JOBS.c.id, "ids"))
_UNFINISHED = (Status.WAITING, Status.QUEUED, Status.RUNNING)


class JobStore:
    """Jobs in the database. Synchronous; every method is one transaction.

    Raises:
        StoreUnavailable: from every method, when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def submit(self, wanted: Sequence[Submission]) -> list[Submitted]:
        """Commit all of them together. An idempotent replay or conflict is an answer, not an error."""
        try:
            return self._submit(wanted)
        except IntegrityError:  # another process committed the same key meanwhile: the second look finds it
            return self._submit(wanted)

    def _submit(self, wanted: Sequence[Submission]) -> list[Submitted]:
        with self.database.writing_now() as (connection, now):
            submitted = insert_submissions(connection, wanted, now)
            failpoint("submit:committing")
        failpoint("submit:committed")
        return submitted

    def get(self, job_id: str, tenant: str | None = None) -> Job:
        """Raises: JobNotFound, also when the job belongs to another tenant."""
        with self.database.reading() as connection:
            return _read(connection, job_id, tenant)

    def get_many(self, job_ids: Sequence[str]) -> Sequence[Job]:
        """Those of the jobs that exist, in no particular order."""
        if not job_ids:
            return []
        with self.database.reading() as connection:
            return [job_of(row) for row in connection.execute(_OF_IDS, {"ids": job_ids})]

    def list(
        self,
        tenant: str,
        *,
        statuses: Sequence[Status] = (),
        model: str | None = None,
        since: datetime | None = None,
        before_id: str | None = None,
        after_id: str | None = None,
        limit: int = 50,
        oldest_first: bool = False,
        shadows: bool = False,
    ) -> list[Job]:
        """Newest first, or oldest: ids sort by time of creation. Shadow jobs only for who asks for them."""
        query = select(JOBS.c.id).where(JOBS.c.tenant == tenant)
        if not shadows:
            query = query.where(JOBS.c.lineage["shadow_of"].as_string().is_(None))
        if model:
            query = query.where(JOBS.c.model == model)
        if since:
            query = query.where(JOBS.c.created_at >= since, JOBS.c.id >= first_id_since(since))
        if before_id:
            query = query.where(JOBS.c.id < before_id)
        if after_id:
            query = query.where(JOBS.c.id > after_id)
        page = _page(query, statuses or (tuple(Status) if model else ()), limit, oldest_first)
        jobs = select(*JOB_COLUMNS).where(JOBS.c.id.in_(page)).order_by(_in_order(JOBS.c.id, oldest_first))
        with self.database.reading() as connection:
            return [job_of(row) for row in connection.execute(jobs)]

    def unfinished(self, tenant: str, limit: int) -> Sequence[Job]:
        """Newest first, without shadows."""
        jobs = self.list(tenant, statuses=_UNFINISHED, limit=limit, shadows=True)
        return [job for job in jobs if not job.lineage.shadow_of]

    def attempts(self, job_id: str, tenant: str | None = None) -> Sequence[Attempt]:
        """Every attempt of a job, the first one first. Raises: JobNotFound."""
        query = select(ATTEMPTS).where(ATTEMPTS.c.job_id == job_id).order_by(ATTEMPTS.c.fence)
        with self.database.reading() as connection:
            _read(connection, job_id, tenant)
            return [attempt_of(row) for row in connection.execute(query)]

    def queued(self, most: int) -> int:
        """How many jobs have not begun, of either kind counted up to `most`."""
        counts = [select(func.count()).select_from(_ids(status, most).subquery()) for status in (QUEUED, WAITING)]
        with self.database.reading() as connection:
            return sum(connection.execute(count).scalar_one() for count in counts)

    def cancel(self, job_id: str, tenant: str | None = None) -> Job:
        """At once when queued; a running job is asked to stop. Nothing happens to a finished one."""
        with self.database.writing() as connection:
            job = _read(connection, job_id, tenant, lock=True)
            wanted = lifecycle.cancel(job, self.database.now(connection))
            return (wanted and change(connection, job_id, wanted)) or job

    def retry(self, job_id: str, tenant: str | None = None) -> Job:
        """Raises: Conflict when the job is not failed, canceled or expired."""
        with self.database.writing() as connection:
            now = self.database.now(connection)
            job = _read(connection, job_id, tenant, lock=True)
            changed = change(connection, job_id, lifecycle.retry(job, now))
            if changed is None:
                raise Conflict(f"A job that is {job.status} cannot be retried.")
            want_again(connection, changed.needs, now)
            await_needs(connection, [changed])
            return changed

    def delete(self, job_id: str, tenant: str | None = None) -> None:
        """Forget a finished job; its artifacts are served no more unless another job lists them too.

        Raises:
            Conflict: the job is not finished.
        """
        with self.database.writing() as connection:
            job = _read(connection, job_id, tenant, lock=True)
            if job.status not in FINAL:
                raise Conflict(f"A job that is {job.status} cannot be deleted: cancel it first.")
            connection.execute(delete(JOBS).where(JOBS.c.id == job_id))
            append(connection, [entry_of(job, "delete")])
            record_deleted(connection, [job])
            if job.webhook:
                forget_deliveries(connection, job_id)

    def listed(self, keys: Sequence[str]) -> set[str]:
        """Those of the artifact keys that some job or upload, of whatever tenant, lists."""
        by_jobs = select(ARTIFACTS.c.key).where(ARTIFACTS.c.key.in_(keys))
        by_uploads = select(UPLOADS.c.key).where(UPLOADS.c.key.in_(keys))
        with self.database.reading() as connection:
            return set(connection.execute(union_all(by_jobs, by_uploads)).scalars())

    def lists_artifact(self, key: str, tenant: str | None = None) -> bool:
        """Does any job or upload that this tenant may see list these bytes?"""
        by_jobs = select(literal(1)).select_from(ARTIFACTS).where(ARTIFACTS.c.key == key).limit(1)
        by_uploads = select(literal(1)).select_from(UPLOADS).where(UPLOADS.c.key == key).limit(1)
        if tenant is not None:
            by_jobs = by_jobs.join(JOBS, JOBS.c.id == ARTIFACTS.c.job_id).where(JOBS.c.tenant == tenant)
            by_uploads = by_uploads.where(UPLOADS.c.tenant == tenant)
        with self.database.reading() as connection:
            return any(connection.execute(query).first() is not None for query in (by_jobs, by_uploads))

    def ping(self) -> None:
        """Raises: StoreUnavailable."""
        with self.database.reading() as connection:
            connection.execute(select(literal(1)))


def _ids(which: ColumnElement[bool], most: int) -> Select[tuple[str]]:
    return select(JOBS.c.id).where(which).limit(most)


def _page(
    query: Select[tuple[str]], statuses: Sequence[Status], limit: int, oldest_first: bool
) -> Select[tuple[str]]:
    """The first of the query's ids in these statuses (none: in any). For each status a walk along an index, then
    merged: one walk over all would read every finished job to find a few that failed."""
    first = query.order_by(_in_order(JOBS.c.id, oldest_first)).limit(limit)
    if not statuses:
        return first
    walks = [first.where(JOBS.c.status == status.value) for status in dict.fromkeys(statuses)]
    merged = union_all(*(select(walk.subquery().c.id) for walk in walks)).subquery()
    return select(merged.c.id).order_by(_in_order(merged.c.id, oldest_first)).limit(limit)


def _in_order(column: ColumnElement[str], oldest_first: bool) -> ColumnElement[str]:
    return column.asc() if oldest_first else column.desc()


def _read(connection: Connection, job_id: str, tenant: str | None, *, lock: bool = False) -> Job:
    query = select(*JOB_COLUMNS).where(JOBS.c.id == job_id)
    if tenant is not None:
        query = query.where(JOBS.c.tenant == tenant)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise JobNotFound(f"There is no job {job_id}.")
    return job_of(row)
