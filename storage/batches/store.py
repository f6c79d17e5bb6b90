"""Batches, as the API sees them: make, read, cancel. What couriers do with them is in `storage.batches.turns`."""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from jobs import batches
from jobs.batches import Batch, BatchChange, BatchStatus
from jobs.errors import BatchNotFound, Conflict, FieldFault, FileMissing, IdempotencyConflict, InvalidInput
from jobs.files import BATCH_INPUT
from jobs.identity import new_batch_id
from storage.engine import Database
from storage.jobs.submissions import RESEND_WINDOW
from storage.tables import BATCHES, FILES

BATCH_COLUMNS = tuple(BATCHES.c[field.name] for field in fields(Batch))
_AT = {field.name: index for index, field in enumerate(fields(Batch))}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A valid request for a batch."""

    tenant: str
    endpoint: str
    input_file_id: str
    completion_window: str
    window_s: int
    metadata: dict[str, Any]
    keep_s: int | None
    origin: str
    body_hash: str
    idempotency_key: str | None = None
    resent: bool = False  # its client marks it as a retry of an earlier sending


def batch_of(row: Row[Any]) -> Batch:
    """The batch in a row that was selected as BATCH_COLUMNS."""
    cells = list(row)
    cells[_AT["status"]] = BatchStatus(cells[_AT["status"]])
    cells[_AT["ending"]] = BatchStatus(cells[_AT["ending"]]) if cells[_AT["ending"]] else None
    cells[_AT["errors"]] = tuple(cells[_AT["errors"]])
    return Batch(*cells)


def change_batch(
    connection: Connection, batch_id: str, wanted: BatchChange, *also: ColumnElement[bool]
) -> Batch | None:
    """Apply one change if its guards hold: the only write to a batch's status anywhere.

    Returns:
        The batch as it now stands, or None when nothing was written.
    """
    before = BATCHES.c.status.in_([status.value for status in wanted.before])
    values = {name: v.value if isinstance(v, Enum) else v for name, v in wanted.values.items()}
    query = update(BATCHES).where(BATCHES.c.id == batch_id, before, *also).values(values)
    row = connection.execute(query.returning(*BATCH_COLUMNS)).first()
    return batch_of(row) if row else None


class Batches:
    """The batches in the database. Synchronous; every method is one transaction.

    Raises:
        StoreUnavailable: from every method, when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, wanted: Wanted) -> Batch:
        """A new batch, or the one that its idempotency key, or an earlier sending of it, has made.

        Raises:
            FileMissing: there is no such input file.
            InvalidInput: it was brought for something else.
            IdempotencyConflict: the key belongs to another body.
        """
        try:
            return self._create(wanted)
        except IntegrityError:  # another process committed the same key meanwhile: the second look finds it
            return self._create(wanted)

    def get(self, batch_id: str, tenant: str) -> Batch:
        """Raises: BatchNotFound, also when it belongs to another tenant."""
        with self._database.reading() as connection:
            return _read(connection, batch_id, tenant)

    def page(self, tenant: str, after: str | None, limit: int) -> list[Batch]:
        """Newest first; `after` is the last id of the page before."""
        query = select(*BATCH_COLUMNS).where(BATCHES.c.tenant == tenant)
        if after:
            query = query.where(BATCHES.c.id < after)
        with self._database.reading() as connection:
            return [batch_of(row) for row in connection.execute(query.order_by(BATCHES.c.id.desc()).limit(limit))]

    def cancel(self, batch_id: str, tenant: str) -> Batch:
        """Asked twice it is canceled once.

        Raises:
            BatchNotFound: there is none of that id, or it belongs to another tenant.
            Conflict: it has ended, or is about to.
        """
        with self._database.writing() as connection:
            _read(connection, batch_id, tenant)
            change = batches.request_cancel(self._database.now(connection))
            changed = change_batch(connection, batch_id, change)
            batch = changed or _read(connection, batch_id, tenant)
        if batch.status not in (BatchStatus.CANCELLING, BatchStatus.CANCELLED):
            raise Conflict(f"A batch that is {batch.status} cannot be cancelled.")
        return batch

    def due(self, limit: int) -> list[str]:
        """Ids of batches that wait for a courier's turn, longest due first."""
        with self._database.reading() as connection:
            query = select(BATCHES.c.id).where(*is_due(self._database.now(connection)))
            return list(connection.execute(query.order_by(BATCHES.c.due_at).limit(limit)).scalars())

    def retire(self, age_s: float, limit: int = 20) -> int:
        """Forget batches that ended so long ago, with their lines; says how many."""
        with self._database.writing() as connection:
            before = self._database.now(connection) - timedelta(seconds=age_s)
            old = select(BATCHES.c.id).where(BATCHES.c.finished_at < before).order_by(BATCHES.c.finished_at)
            ids = connection.execute(old.limit(limit)).scalars().all()
            if ids:
                connection.execute(delete(BATCHES).where(BATCHES.c.id.in_(ids)))
            return len(ids)

    def _create(self, wanted: Wanted) -> Batch:
        with self._database.writing() as connection:
            now = self._database.now(connection)
            if known := _known(connection, wanted, now):
                return known
            _lock_input(connection, wanted)
            batch = _new(wanted, now)
            own = {"idempotency_key": wanted.idempotency_key, "body_hash": wanted.body_hash}
            connection.execute(insert(BATCHES).values(_row(batch) | own))
            return batch


def is_due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Conditions: a turn is wanted, and no courier has it."""
    free = (BATCHES.c.lease_until.is_(None)) | (BATCHES.c.lease_until < now)
    return (BATCHES.c.due_at.is_not(None), BATCHES.c.due_at <= now, free)


def _known(connection: Connection, wanted: Wanted, now: datetime) -> Batch | None:
    query = select(BATCHES.c.body_hash, *BATCH_COLUMNS).where(BATCHES.c.tenant == wanted.tenant)
    if wanted.idempotency_key:
        query = query.where(BATCHES.c.idempotency_key == wanted.idempotency_key)
    elif wanted.resent:
        lately = BATCHES.c.created_at >= now - RESEND_WINDOW
        query = query.where(BATCHES.c.body_hash == wanted.body_hash, lately).order_by(BATCHES.c.id.desc()).limit(1)
    else:
        return None
    row = connection.execute(query).first()
    if row is None:
        return None
    if row.body_hash != wanted.body_hash:
        raise IdempotencyConflict
    return batch_of(row[1:])  # type: ignore[arg-type]


def _lock_input(connection: Connection, wanted: Wanted) -> None:
    """The file stays until the batch is there to read it."""
    file = select(FILES.c.purpose).where(FILES.c.id == wanted.input_file_id, FILES.c.tenant == wanted.tenant)
    purpose = connection.execute(file.with_for_update()).scalar()
    if purpose is None:
        raise FileMissing(f"There is no file {wanted.input_file_id[:64]}.")
    if purpose != BATCH_INPUT:
        detail = f"This file was brought for {purpose}, not for {BATCH_INPUT}."
        raise InvalidInput("The batch is not valid.", [FieldFault("input_file_id", detail)])


def _new(wanted: Wanted, now: datetime) -> Batch:
    return Batch(
        id=new_batch_id(),
        tenant=wanted.tenant,
        endpoint=wanted.endpoint,
        input_file_id=wanted.input_file_id,
        completion_window=wanted.completion_window,
        metadata=wanted.metadata,
        keep_s=wanted.keep_s,
        origin=wanted.origin,
        status=BatchStatus.VALIDATING,
        ending=None,
        errors=(),
        total=0,
        completed=0,
        failed=0,
        outstanding=0,
        line=0,
        position=0,
        size=0,
        output_file_id=None,
        error_file_id=None,
        fence=0,
        lease_until=None,
        due_at=now,
        pause_s=0.0,
        created_at=now,
        expires_at=batches.expiry(now, wanted.window_s),
        in_progress_at=None,
        finalizing_at=None,
        cancelling_at=None,
        finished_at=None,
    )


def _row(batch: Batch) -> dict[str, Any]:
    cells = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return cells | {"status": batch.status.value, "errors": list(batch.errors)}


def _read(connection: Connection, batch_id: str, tenant: str) -> Batch:
    query = select(*BATCH_COLUMNS).where(BATCHES.c.id == batch_id, BATCHES.c.tenant == tenant)
    row = connection.execute(query).first()
    if row is None:
        raise BatchNotFound(f"There is no batch {batch_id[:64]}.")
    return batch_of(row)
