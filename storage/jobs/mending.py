"""Mending many jobs at once: what a filter chooses is retried or forgotten, a bounded batch in each transaction.
A walk over ids, so that a job that fails again meanwhile is not chosen twice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, Select, delete, select, union_all

from jobs import lifecycle
from jobs.identity import first_id_since
from jobs.values import Job, Status
from storage.changes.changing import change_all
from storage.changes.feed import append, entry_of
from storage.changes.outbox import record_deleted
from storage.changes.rows import JOB_COLUMNS, job_of
from storage.engine import Database
from storage.jobs.needs import await_needs
from storage.media.attaching import want_again
from storage.tables import JOBS
from storage.webhooks.deliveries import forget_deliveries

_ID_AHEAD = timedelta(minutes=5)  # by so much the clock that draws ids may be ahead of the database's


@dataclass(frozen=True, slots=True)
class Choice:
    """Which jobs of a tenant: all conditions hold. `since` and `before` are moments of creation."""

    tenant: str
    statuses: Sequence[Status]
    model: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    ids: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step mended, or would have, and where the next one begins: None when nothing is left."""

    jobs: Sequence[Job]
    count: int
    next_after: str | None


class Mending:
    """Each method is one transaction over at most `limit` jobs whose ids come after `after`.

    Raises:
        StoreUnavailable: from every method, when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, choice: Choice, after: str, limit: int) -> Batch:
        """Change nothing."""
        with self._database.reading() as connection:
            chosen = connection.execute(_chosen(choice, after, limit + 1)).all()
        most = chosen[:limit]
        return Batch((), len(most), most[-1].id if len(chosen) > limit else None)

    def retry(self, choice: Choice, after: str, limit: int) -> Batch:
        """Queue them again, each under its id."""
        return self._mend(choice, after, limit, self._retry)

    def purge(self, choice: Choice, after: str, limit: int) -> Batch:
        """Forget them, which artifacts they listed, and what was still to be said of them."""
        return self._mend(choice, after, limit, self._purge)

    def _mend(
        self,
        choice: Choice,
        after: str,
        limit: int,
        mend: Callable[[Connection, Status, Sequence[str]], list[Job]],
    ) -> Batch:
        with self._database.writing() as connection:
            chosen = connection.execute(_chosen(choice, after, limit + 1)).all()
            most = chosen[:limit]
            _lock(connection, most)
            mended: list[Job] = []
            for status in choice.statuses:
                ids = [row.id for row in most if row.status == status.value]
                mended += mend(connection, status, ids) if ids else []
        return Batch(mended, len(mended), most[-1].id if len(chosen) > limit else None)

    def _retry(self, connection: Connection, status: Status, ids: Sequence[str]) -> list[Job]:
        now = self._database.now(connection)
        query = select(JOBS.c.id, JOBS.c.needs).where(JOBS.c.id.in_(ids))
        needy = {row.id: bool(row.needs) for row in connection.execute(query)}
        changed: list[Job] = []
        for needs in (False, True):
            some = [job_id for job_id in ids if needy.get(job_id) is needs]
            changed += change_all(connection, some, lifecycle.retry_from(status, now, needs=needs))
        want_again(connection, [need for job in changed for need in job.needs], now)
        await_needs(connection, changed)
        return changed

    @staticmethod
    def _purge(connection: Connection, status: Status, ids: Sequence[str]) -> list[Job]:
        doomed = delete(JOBS).where(JOBS.c.id.in_(ids), JOBS.c.status == status.value)
        gone = [job_of(row) for row in connection.execute(doomed.returning(*JOB_COLUMNS))]
        if gone:
            append(connection, [entry_of(job, "delete") for job in gone])
            record_deleted(connection, gone)
        for job in gone:
            if job.webhook:
                forget_deliveries(connection, job.id)
        return gone


def _chosen(choice: Choice, after: str, limit: int) -> Select[tuple[str, str]]:
    """Ids and statuses in the order of ids: for each status a walk along an index, then merged."""
    walks = [_walk(choice, status, after, limit).subquery() for status in choice.statuses]
    merged = union_all(*(select(walk.c.id, walk.c.status) for walk in walks)).subquery()
    return select(merged.c.id, merged.c.status).order_by(merged.c.id).limit(limit)


def _walk(choice: Choice, status: Status, after: str, limit: int) -> Select[tuple[str, str]]:
    query = select(JOBS.c.id, JOBS.c.status).where(
        JOBS.c.tenant == choice.tenant, JOBS.c.status == status.value, JOBS.c.id > after
    )
    if choice.model is not None:
        query = query.where(JOBS.c.model == choice.model)
    if choice.since is not None:
        query = query.where(JOBS.c.created_at >= choice.since, JOBS.c.id >= first_id_since(choice.since))
    if choice.before is not None:
        until = first_id_since(choice.before + _ID_AHEAD)
        query = query.where(JOBS.c.created_at < choice.before, JOBS.c.id < until)
    if choice.ids is not None:
        query = query.where(JOBS.c.id.in_(choice.ids))
    return query.order_by(JOBS.c.id).limit(limit)


def _lock(connection: Connection, chosen: Sequence[Row[tuple[str, str]]]) -> None:
    """In the order of ids, so that two who mend at once wait for each other instead of blocking each other."""
    ids = [row.id for row in chosen]
    connection.execute(select(JOBS.c.id).where(JOBS.c.id.in_(ids)).order_by(JOBS.c.id).with_for_update())
