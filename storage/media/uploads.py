"""Uploads in the database: brought by clients, or fetched by couriers, who claim them under a lease; their word on
one is guarded by its fence. Its end is heard of by the jobs that wait for it."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, insert, or_, select, update

from jobs.errors import Conflict, UploadNotFound
from jobs.identity import new_id
from jobs.references import OutputReference, Reference, UploadReference, UrlReference
from jobs.uploads import Content, Unfetched, Upload, UploadStatus, brought, settle
from jobs.values import Job, Output, Status
from storage.changes.outbox import write_down
from storage.engine import Database
from storage.statuses import FETCHABLE
from storage.tables import JOBS, UPLOAD_USES, UPLOADS

UPLOAD_COLUMNS = tuple(UPLOADS.c[field.name] for field in fields(Upload))

OUTCOMES = {UploadStatus.READY.value: Status.SUCCEEDED.value, UploadStatus.FAILED.value: Status.FAILED.value}
"""What its end is, in the words of a job's, to those who wait for it."""

_LOOK_AGAIN = timedelta(hours=1)  # at one whose time is over, and that a job still uses


def upload_of(row: Sequence[Any]) -> Upload:
    """The upload in a row that was selected as UPLOAD_COLUMNS."""
    cells = dict(zip((field.name for field in fields(Upload)), row, strict=True))
    return Upload(**cells | {"status": UploadStatus(cells["status"])})


def upload_row(upload: Upload) -> dict[str, Any]:
    return asdict(upload) | {"status": upload.status.value}


class Uploads:
    """Synchronous; every method is one transaction.

    Raises:
        StoreUnavailable: from every method, when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, tenant: str, filename: str | None, content: Content, keep_s: float) -> Upload:
        """Of bytes that lie in the artifact store."""
        with self._database.writing() as connection:
            now = self._database.now(connection)
            upload = brought(new_id(), tenant, filename, content, now + timedelta(seconds=keep_s), now)
            connection.execute(insert(UPLOADS), [upload_row(upload)])
        return upload

    def get(self, upload_id: str, tenant: str) -> Upload:
        """Raises: UploadNotFound, also when it belongs to another tenant."""
        with self._database.reading() as connection:
            return _read(connection, upload_id, tenant)

    def delete(self, upload_id: str, tenant: str) -> None:
        """Its bytes are served no more unless something else lists them.

        Raises:
            UploadNotFound: there is none of that id, or it belongs to another tenant.
            Conflict: a job that is not finished has it among its inputs.
        """
        with self._database.writing() as connection:
            upload = _read(connection, upload_id, tenant, lock=True)
            if connection.execute(select(_in_use(upload.id))).scalar():
                raise Conflict("A job that is not finished uses this upload: cancel it first.")
            connection.execute(delete(UPLOADS).where(UPLOADS.c.id == upload.id))

    def find(self, job: Job, reference: Reference) -> Content | None:
        """Where the bytes lie that one of a job's inputs refers to; None when they are gone."""
        with self._database.reading() as connection:
            match reference:
                case UploadReference(upload_id):
                    chosen = (UPLOADS.c.id == upload_id, UPLOADS.c.tenant == job.tenant)
                    row = connection.execute(select(*UPLOAD_COLUMNS).where(*chosen)).first()
                    return _content(upload_of(row)) if row else None
                case UrlReference(url):
                    upload = _fetched(connection, job, url)
                    return _content(upload) if upload else None
                case OutputReference(job_id, index):
                    return _output(connection, job.tenant, job_id, index)
        return None

    def fetched(self, job: Job, url: str) -> Upload | None:
        """What a URL among a job's inputs became."""
        with self._database.reading() as connection:
            return _fetched(connection, job, url)

    def claim(self, lease_s: float, without: Collection[str] = ()) -> Upload | None:
        """Take what has waited longest to be fetched, but nothing of the hosts in `without`; None when there is none.
        Two couriers never fetch the same."""
        with self._database.writing() as connection:
            now = self._database.now(connection)
            query = select(UPLOADS.c.id).where(*_due(now), UPLOADS.c.host.not_in(list(without)))
            query = query.order_by(UPLOADS.c.next_try_at).limit(1).with_for_update(skip_locked=True)
            upload_id = connection.execute(query).scalar()
            if upload_id is None:
                return None
            lease_until = now + timedelta(seconds=lease_s)
            counted = {"tries": UPLOADS.c.tries + 1, "fence": UPLOADS.c.fence + 1, "lease_until": lease_until}
            claimed = update(UPLOADS).where(UPLOADS.c.id == upload_id).values(counted)
            return upload_of(connection.execute(claimed.returning(*UPLOAD_COLUMNS)).one())

    def conclude(
        self, upload: Upload, outcome: Content | Unfetched, waits: Sequence[float], spread: float, keep_s: float
    ) -> Upload | None:
        """Write down how a try went, and that those who wait shall hear of it; None when the lease had passed on, or
        the upload is gone."""
        with self._database.writing() as connection:
            now = self._database.now(connection)
            settled = (
                update(UPLOADS)
                .where(UPLOADS.c.id == upload.id, UPLOADS.c.fence == upload.fence, FETCHABLE)
                .values(settle(upload, outcome, waits, spread, keep_s, now))
                .returning(*UPLOAD_COLUMNS)
            )
            row = connection.execute(settled).first()
            concluded = upload_of(row) if row else None
            if concluded and concluded.status in OUTCOMES:
                write_down(connection, {concluded.id: OUTCOMES[concluded.status]})
        return concluded

    def release(self, upload: Upload) -> None:
        """Give back what is not fetched after all: another may, at once."""
        with self._database.writing() as connection:
            given_back = {"lease_until": None, "tries": UPLOADS.c.tries - 1}
            held = (UPLOADS.c.id == upload.id, UPLOADS.c.fence == upload.fence, FETCHABLE)
            connection.execute(update(UPLOADS).where(*held).values(given_back))

    def due(self, limit: int) -> list[str]:
        """Ids of what a courier could fetch now, longest due first."""
        with self._database.reading() as connection:
            query = select(UPLOADS.c.id).where(*_due(self._database.now(connection)))
            return list(connection.execute(query.order_by(UPLOADS.c.next_try_at).limit(limit)).scalars())

    def retire(self, keep_s: float, limit: int = 2_000) -> int:
        """Forget those whose time is over; those that were used since are kept for `keep_s` after the end of the job
        that used them last. Says how many are gone."""
        with self._database.writing() as connection:
            now = self._database.now(connection)
            query = select(UPLOADS.c.id).where(UPLOADS.c.expires_at < now).order_by(UPLOADS.c.expires_at).limit(limit)
            ids = connection.execute(query.with_for_update(skip_locked=True)).scalars().all()
            kept = _kept(connection, ids, now, keep_s) if ids else {}
            for upload_id, expires_at in kept.items():
                connection.execute(update(UPLOADS).where(UPLOADS.c.id == upload_id).values(expires_at=expires_at))
            gone = [upload_id for upload_id in ids if upload_id not in kept]
            if gone:
                connection.execute(delete(UPLOADS).where(UPLOADS.c.id.in_(gone)))
            return len(gone)

    def list(self, tenant: str, *, before_id: str | None = None, limit: int = 50) -> list[Upload]:
        """Newest first: ids sort by time of creation."""
        query = select(*UPLOAD_COLUMNS).where(UPLOADS.c.tenant == tenant)
        if before_id:
            query = query.where(UPLOADS.c.id < before_id)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(UPLOADS.c.id.desc()).limit(limit))
            return [upload_of(row) for row in rows]


def _kept(connection: Connection, ids: Sequence[str], now: datetime, keep_s: float) -> dict[str, datetime]:
    """Until when, of those that some job uses, or has used lately."""
    query = select(UPLOAD_USES.c.upload_id, JOBS.c.finished_at).join(JOBS, JOBS.c.id == UPLOAD_USES.c.job_id)
    kept: dict[str, datetime] = {}
    for upload_id, finished_at in connection.execute(query.where(UPLOAD_USES.c.upload_id.in_(ids))):
        until = finished_at + timedelta(seconds=keep_s) if finished_at else now + _LOOK_AGAIN
        kept[upload_id] = max(until, kept.get(upload_id, until))
    return {upload_id: until for upload_id, until in kept.items() if until > now}


def _in_use(upload_id: str) -> ColumnElement[bool]:
    unfinished = JOBS.c.finished_at.is_(None)
    uses = select(UPLOAD_USES.c.job_id).join(JOBS, JOBS.c.id == UPLOAD_USES.c.job_id)
    return exists(uses.where(UPLOAD_USES.c.upload_id == upload_id, unfinished))


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    free = or_(UPLOADS.c.lease_until.is_(None), UPLOADS.c.lease_until < now)
    return (FETCHABLE, UPLOADS.c.next_try_at <= now, free)


def _fetched(connection: Connection, job: Job, url: str) -> Upload | None:
    chosen = (UPLOADS.c.id.in_(job.needs), UPLOADS.c.url == url, UPLOADS.c.tenant == job.tenant)
    row = connection.execute(select(*UPLOAD_COLUMNS).where(*chosen).limit(1)).first()
    return upload_of(row) if row else None


def _output(connection: Connection, tenant: str, job_id: str, index: int) -> Content | None:
    query = select(JOBS.c.outputs).where(JOBS.c.id == job_id, JOBS.c.tenant == tenant)
    outputs = connection.execute(query).scalar() or []
    if index >= len(outputs):
        return None
    output = Output(**outputs[index])
    return Content(output.key, output.sha256, output.bytes, output.media_type, output.width, output.height)


def _content(upload: Upload) -> Content | None:
    if upload.status is not UploadStatus.READY:
        return None
    assert upload.key
    assert upload.sha256
    assert upload.bytes is not None
    assert upload.media_type
    return Content(upload.key, upload.sha256, upload.bytes, upload.media_type, upload.width, upload.height)


def _read(connection: Connection, upload_id: str, tenant: str, *, lock: bool = False) -> Upload:
    query = select(*UPLOAD_COLUMNS).where(UPLOADS.c.id == upload_id, UPLOADS.c.tenant == tenant)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise UploadNotFound(f"There is no upload {upload_id}.")
    return upload_of(row)
