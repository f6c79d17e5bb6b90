"""A courier's turn at a batch: claimed under a lease, each step of it one transaction that is guarded by the turn's
fence. What a step read of the file and what it made of it are committed together: whoever dies, no line is lost or
taken in twice."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, case, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError

from config.failpoints import failpoint
from jobs import lifecycle
from jobs.batches import Batch, BatchChange, BatchStatus, LineState, next_pause_s
from jobs.errors import FieldFault
from jobs.files import File
from jobs.values import FINAL, Job, Status, Submission
from storage.automation.rules import marked_for_rules
from storage.batches.files import insert_files
from storage.batches.store import BATCH_COLUMNS, batch_of, change_batch, is_due
from storage.changes.changing import change_each
from storage.changes.rows import JOB_COLUMNS, job_of
from storage.engine import Database
from storage.jobs.submissions import Submitted, insert_submissions
from storage.statuses import OPEN_LINE
from storage.tables import BATCH_LINES, BATCHES, FILES, JOBS

_FINAL = [status.value for status in FINAL]


class TurnOver(Exception):
    """The turn is over: its lease passed on to another courier, or the batch has moved on by itself."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A line of the input: the job that it makes, or what is wrong with it."""

    line: int
    custom_id: str | None
    submission: Submission | None
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A line that has ended, with its job, if it had one and that is still there."""

    line: int
    custom_id: str | None
    state: LineState
    error: Mapping[str, Any] | None
    job: Job | None


class BatchTurns:
    """The couriers' side of the batches.

    Raises:
        StoreUnavailable: from every method, when the database does not answer.
        TurnOver: from every method but `claim` and `release`; nothing was written.
    """

    def __init__(self, database: Database, lease_s: float) -> None:
        self._database = database
        self._lease = timedelta(seconds=lease_s)

    def claim(self) -> Batch | None:
        """Take what has been due for longest. Two couriers never hold the same batch."""
        with self._database.writing() as connection:
            now = self._database.now(connection)
            due = select(BATCHES.c.id).where(*is_due(now)).order_by(BATCHES.c.due_at).limit(1)
            batch_id = connection.execute(due.with_for_update(skip_locked=True)).scalar()
            if batch_id is None:
                return None
            taken = update(BATCHES).where(BATCHES.c.id == batch_id)
            taken = taken.values(fence=BATCHES.c.fence + 1, lease_until=now + self._lease)
            return batch_of(connection.execute(taken.returning(*BATCH_COLUMNS)).one())

    def release(self, batch: Batch, *, moved: bool) -> None:
        """The turn is over: the next one soon, or later when nothing moves. A batch that was changed from outside in
        the meantime stays due at once."""
        pause_s = next_pause_s(batch.pause_s, moved=moved)
        with self._database.writing() as connection:
            due_at = self._database.now(connection) + timedelta(seconds=pause_s)
            seen = BATCHES.c.status == batch.status.value
            values = {
                "lease_until": None,
                "pause_s": pause_s,
                "due_at": case((seen, literal(due_at, BATCHES.c.due_at.type)), else_=BATCHES.c.due_at),
            }
            held = (BATCHES.c.id == batch.id, BATCHES.c.fence == batch.fence, BATCHES.c.due_at.is_not(None))
            connection.execute(update(BATCHES).where(*held).values(values))

    def renew(self, batch: Batch) -> Batch:
        """A longer lease for a step that takes long and writes nothing yet."""
        with self._held(batch) as (_, current, _now):
            return current

    def change(self, batch: Batch, wanted: BatchChange) -> Batch:
        """Apply a change to the batch itself."""
        with self._held(batch) as (connection, _, _now):
            return self._changed(connection, batch, wanted)

    def now(self) -> datetime:
        with self._database.reading() as connection:
            return self._database.now(connection)

    def take_in(self, batch: Batch, taken: Sequence[Taken], line: int, position: int) -> tuple[Batch, list[Job]]:
        """Make jobs of these lines, and remember how far the file has been read: the batch then, and the new jobs."""
        try:
            return self._take_in(batch, taken, line, position)
        except IntegrityError:  # another process began the same work meanwhile: the second look finds it
            return self._take_in(batch, taken, line, position)

    def _take_in(self, batch: Batch, taken: Sequence[Taken], line: int, position: int) -> tuple[Batch, list[Job]]:
        with self._held(batch, BatchStatus.IN_PROGRESS) as (connection, _, now):
            wanted = marked_for_rules(connection, [one.submission for one in taken if one.submission])
            made = {
                one.id: done for one, done in zip(wanted, insert_submissions(connection, wanted, now), strict=True)
            }
            taken = [_judged(one, made) for one in taken]
            if taken:
                connection.execute(insert(BATCH_LINES), [_row(batch.id, one) for one in taken])
            begun = sum(one.submission is not None for one in taken)
            failed = len(taken) - begun
            values = {
                "line": line,
                "position": position,
                "failed": BATCHES.c.failed + failed,
                "outstanding": BATCHES.c.outstanding + begun,
            }
            current = _written(connection, batch, values)
            failpoint("batch:taking")
        failpoint("batch:taken")
        return current, [done.job for done in made.values() if done.job]

    def settle(self, batch: Batch, most: int = 1_000) -> tuple[Batch, int]:
        """Note which lines have ended; how many."""
        with self._held(batch) as (connection, current, _now):
            query = (
                select(BATCH_LINES.c.line, JOBS.c.status, JOBS.c.error)
                .outerjoin_from(BATCH_LINES, JOBS, JOBS.c.id == BATCH_LINES.c.job_id)
                .where(
                    BATCH_LINES.c.batch_id == batch.id, OPEN_LINE, or_(JOBS.c.status.in_(_FINAL), JOBS.c.id.is_(None))
                )
                .order_by(BATCH_LINES.c.line)
                .limit(most)
            )
            ended = [_ended(row, current) for row in connection.execute(query)]
            if ended:
                _end_lines(connection, batch.id, ended)
                current = _written(connection, batch, _counts(ended))
            failpoint("batch:settling")
        return current, len(ended)

    def stop(self, batch: Batch, most: int = 500) -> list[Job]:
        """Cancel jobs of lines that are open, as a client would; those that were changed."""
        with self._held(batch) as (connection, _, now):
            query = (
                select(*JOB_COLUMNS)
                .join(BATCH_LINES, JOBS.c.id == BATCH_LINES.c.job_id)
                .where(BATCH_LINES.c.batch_id == batch.id, OPEN_LINE)
                .where(JOBS.c.status.not_in(_FINAL), JOBS.c.cancel_requested.is_(False))
                .order_by(JOBS.c.id)
                .limit(most)
                .with_for_update(of=JOBS)
            )
            open_jobs = [job_of(row) for row in connection.execute(query)]
            wanted = {job.id: change for job in open_jobs if (change := lifecycle.cancel(job, now))}
            return list(change_each(connection, wanted).values())

    def ended(self, batch: Batch, page: int = 500) -> Iterator[Ended]:
        """Every line that was taken in, in order, with its job; the lease is prolonged page by page."""
        after = 0
        while True:
            with self._held(batch) as (connection, _, _now):
                query = (
                    select(BATCH_LINES.c.line, BATCH_LINES.c.custom_id, BATCH_LINES.c.state, BATCH_LINES.c.error)
                    .add_columns(*JOB_COLUMNS)
                    .outerjoin_from(BATCH_LINES, JOBS, JOBS.c.id == BATCH_LINES.c.job_id)
                    .where(BATCH_LINES.c.batch_id == batch.id, BATCH_LINES.c.line > after)
                    .order_by(BATCH_LINES.c.line)
                    .limit(page)
                )
                lines = [_line(row) for row in connection.execute(query)]
            if not lines:
                return
            yield from lines
            after = lines[-1].line

    def finish(self, batch: Batch, wanted: BatchChange, files: Sequence[File]) -> Batch:
        """The results are written: they become known with the batch's final state."""
        with self._held(batch) as (connection, _, _now):
            insert_files(connection, files)
            finished = self._changed(connection, batch, wanted)
            failpoint("batch:finishing")
        failpoint("batch:finished")
        return finished

    def input_of(self, batch: Batch) -> File | None:
        """The row of its input file; None if that is gone."""
        with self._database.reading() as connection:
            row = connection.execute(select(FILES).where(FILES.c.id == batch.input_file_id)).first()
        return File(*row) if row else None

    @contextmanager
    def _held(self, batch: Batch, status: BatchStatus | None = None) -> Iterator[tuple[Connection, Batch, datetime]]:
        """A transaction in which this turn holds the batch: its row is locked, its lease is prolonged."""
        with self._database.writing() as connection:
            now = self._database.now(connection)
            query = update(BATCHES).where(BATCHES.c.id == batch.id, BATCHES.c.fence == batch.fence)
            query = query.where(BATCHES.c.due_at.is_not(None))
            if status:
                query = query.where(BATCHES.c.status == status.value)
            row = connection.execute(query.values(lease_until=now + self._lease).returning(*BATCH_COLUMNS)).first()
            if row is None:
                raise TurnOver
            yield connection, batch_of(row), now

    @staticmethod
    def _changed(connection: Connection, batch: Batch, wanted: BatchChange) -> Batch:
        changed = change_batch(connection, batch.id, wanted, BATCHES.c.fence == batch.fence)
        if changed is None:
            raise TurnOver
        return changed


def _written(connection: Connection, batch: Batch, values: Mapping[str, Any]) -> Batch:
    query = update(BATCHES).where(BATCHES.c.id == batch.id).values(dict(values)).returning(*BATCH_COLUMNS)
    return batch_of(connection.execute(query).one())


def _judged(taken: Taken, made: Mapping[str, Submitted]) -> Taken:
    """The line, with what only the database could know: it may need jobs, or media, that are not there."""
    if taken.submission is None or made[taken.submission.id].job:
        return taken
    refused = made[taken.submission.id]
    missing = FieldFault("depends_on", f"There is no job {', '.join(refused.missing)}.")
    fault = next(iter(refused.faults), missing)
    error = {"code": "invalid_value", "message": fault.detail, "param": fault.field}
    return replace(taken, submission=None, error=error)


def _row(batch_id: str, taken: Taken) -> dict[str, Any]:
    state = LineState.OPEN if taken.submission else LineState.FAILED
    return {
        "batch_id": batch_id,
        "line": taken.line,
        "custom_id": taken.custom_id,
        "job_id": taken.submission.id if taken.submission else None,
        "state": state.value,
        "error": taken.error,
    }


def _ended(row: Any, batch: Batch) -> dict[str, Any]:
    """What becomes of a line whose job stands like this."""
    if row.status == Status.SUCCEEDED:
        return {"of": row.line, "to": LineState.COMPLETED.value, "why": None}
    if row.status == Status.CANCELED and batch.ending not in (None, BatchStatus.COMPLETED):
        return {"of": row.line, "to": LineState.DROPPED.value, "why": None}
    if row.status is None:
        why = {"code": "job_deleted", "message": "The job was deleted before its result was read."}
    elif row.status == Status.CANCELED:
        why = {"code": "canceled", "message": "The job was canceled."}
    else:
        why = {name: str((row.error or {}).get(name)) for name in ("code", "message")}
    return {"of": row.line, "to": LineState.FAILED.value, "why": why}


def _end_lines(connection: Connection, batch_id: str, ended: Sequence[Mapping[str, Any]]) -> None:
    """Those that end without an error share a statement, as nearly all do."""
    for state in (LineState.COMPLETED, LineState.DROPPED):
        lines = [one["of"] for one in ended if one["to"] == state.value]
        if lines:
            which = update(BATCH_LINES).where(BATCH_LINES.c.batch_id == batch_id, BATCH_LINES.c.line.in_(lines))
            connection.execute(which.values(state=state.value))
    failed = [dict(one) for one in ended if one["to"] == LineState.FAILED.value]
    if failed:
        each = update(BATCH_LINES).where(BATCH_LINES.c.batch_id == batch_id, BATCH_LINES.c.line == bindparam("of"))
        connection.execute(each.values(state=bindparam("to"), error=bindparam("why")), failed)


def _counts(ended: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    states = [one["to"] for one in ended]
    return {
        "completed": BATCHES.c.completed + states.count(LineState.COMPLETED.value),
        "failed": BATCHES.c.failed + states.count(LineState.FAILED.value),
        "outstanding": BATCHES.c.outstanding - len(ended),
    }


def _line(row: Any) -> Ended:
    line, custom_id, state, error = row[:4]
    return Ended(line, custom_id, LineState(state), error, job_of(row[4:]) if row[4] is not None else None)
