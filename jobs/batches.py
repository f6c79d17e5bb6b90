"""A batch: the lines of a file, each a job, worked off in the background. What it is, and every way it may change, as
pure constructors of a `BatchChange`; storage applies one in a guarded UPDATE, as it does with jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

LINES_MOST = 50_000
FAULTS_MOST = 100  # of a whole file, that are told

PAUSE_FIRST_S = 0.5
PAUSE_MOST_S = 5.0


class BatchStatus(StrEnum):
    """Where a batch stands, in the words of the API it is known by."""

    VALIDATING = "validating"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"  # every line has ended, or will not begin: the results are written
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class LineState(StrEnum):
    """Where a line stands that was taken in."""

    OPEN = "open"  # its job is under way
    COMPLETED = "completed"
    FAILED = "failed"  # it was wrong, or its job did not succeed
    DROPPED = "dropped"  # it was under way when the batch was cancelled or its time was over


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as its row stands. The comments say how each field moves over time."""

    id: str  # batch_…; never changes
    tenant: str  # never changes
    endpoint: str  # what every line asks for; never changes
    input_file_id: str  # never changes
    completion_window: str  # as the client gave it; never changes
    metadata: Mapping[str, Any]  # never changes
    keep_s: int | None  # how long its results are kept; None: until somebody deletes them; never changes
    origin: str  # where its client found us, for addresses in the results; never changes
    status: BatchStatus  # moves only through this module
    ending: BatchStatus | None  # what it will end as, once that is decided
    errors: tuple[Mapping[str, Any], ...]  # what is wrong with the whole file
    total: int  # lines with something on them; set once, when the file was found good
    completed: int  # lines; only grows
    failed: int  # lines; only grows
    outstanding: int  # lines whose job is under way
    line: int  # the last line that was taken in; 0 at first, only grows
    position: int  # how many bytes those lines are
    size: int  # bytes of the file; set with `total`
    output_file_id: str | None  # set with the final state, if there is anything to say
    error_file_id: str | None  # likewise
    fence: int  # +1 with every turn of a courier; what it writes is guarded by it
    lease_until: datetime | None  # set during a turn
    due_at: datetime | None  # the next turn; None once it is final
    pause_s: float  # until the next turn when nothing moved; grows while nothing moves
    created_at: datetime
    expires_at: datetime  # what has not ended by then is dropped; never changes
    in_progress_at: datetime | None
    finalizing_at: datetime | None
    cancelling_at: datetime | None
    finished_at: datetime | None  # set with the final state

    @property
    def final(self) -> bool:
        return self.due_at is None

    @property
    def taken_in(self) -> bool:
        """Was every line taken in?"""
        return self.position >= self.size > 0


@dataclass(frozen=True, slots=True)
class BatchChange:
    """What to write, and only if the row still has one of the `before` statuses."""

    before: frozenset[BatchStatus]
    values: Mapping[str, Any]


_VALIDATING = frozenset({BatchStatus.VALIDATING})
_IN_PROGRESS = frozenset({BatchStatus.IN_PROGRESS})
_ENDING = frozenset({BatchStatus.FINALIZING, BatchStatus.CANCELLING})


def begin(total: int, size: int, now: datetime) -> BatchChange:
    """The file is good: its lines may be taken in."""
    values = {"status": BatchStatus.IN_PROGRESS, "total": total, "size": size, "in_progress_at": now}
    return BatchChange(_VALIDATING, values)


def refuse(errors: Sequence[Mapping[str, Any]], now: datetime) -> BatchChange:
    """The whole file is wrong: nothing runs."""
    return BatchChange(_VALIDATING, _ended(BatchStatus.FAILED, now) | {"errors": list(errors[:FAULTS_MOST])})


def request_cancel(now: datetime) -> BatchChange:
    """A client wants no more of it. What is done is kept."""
    values = {
        "status": BatchStatus.CANCELLING,
        "ending": BatchStatus.CANCELLED,
        "cancelling_at": now,
        "due_at": now,
    }
    return BatchChange(_VALIDATING | _IN_PROGRESS, values)


def expire(now: datetime) -> BatchChange:
    """Its time is over: what has not ended is dropped."""
    return _wind_up(BatchStatus.EXPIRED, now, _VALIDATING | _IN_PROGRESS)


def break_off(errors: Sequence[Mapping[str, Any]], now: datetime) -> BatchChange:
    """It cannot go on, for its file is gone. What is done is kept."""
    change = _wind_up(BatchStatus.FAILED, now, _VALIDATING | _IN_PROGRESS)
    return BatchChange(change.before, {**change.values, "errors": list(errors)})


def complete(now: datetime) -> BatchChange:
    """Every line has ended: the results can be written."""
    return _wind_up(BatchStatus.COMPLETED, now, _IN_PROGRESS)


def finish(
    batch: Batch, output_file_id: str | None, error_file_id: str | None, completed: int, failed: int, now: datetime
) -> BatchChange:
    """The results are written; the counts are of what stands in them."""
    assert batch.ending is not None
    files = {"output_file_id": output_file_id, "error_file_id": error_file_id}
    counts = {"completed": completed, "failed": failed}
    return BatchChange(_ENDING, _ended(batch.ending, now) | files | counts)


def next_pause_s(pause_s: float, *, moved: bool) -> float:
    """How long until the next turn: shortly after something moved, ever later while nothing does."""
    return PAUSE_FIRST_S if moved else min(PAUSE_MOST_S, max(PAUSE_FIRST_S, pause_s * 1.5))


def expiry(created_at: datetime, window_s: int) -> datetime:
    return created_at + timedelta(seconds=window_s)


def line_id(batch_id: str, line: int) -> str:
    """What a line of the results goes by."""
    return f"batch_req_{batch_id.removeprefix('batch_')}{line:06d}"


def _wind_up(ending: BatchStatus, now: datetime, before: frozenset[BatchStatus]) -> BatchChange:
    values = {"status": BatchStatus.FINALIZING, "ending": ending, "finalizing_at": now, "due_at": now}
    return BatchChange(before, values)


def _ended(status: BatchStatus, now: datetime) -> dict[str, Any]:
    return {"status": status, "finished_at": now, "due_at": None, "lease_until": None}
