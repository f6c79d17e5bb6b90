"""Between rows and the values they hold."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from operator import attrgetter
from typing import Any

from jobs.values import PLAIN, Attempt, Event, Fault, IfNeedFails, Job, Lineage, Output, Priority, Status, Webhook
from storage.tables import JOBS

_NAMES = tuple(field.name for field in fields(Job))
JOB_COLUMNS = tuple(JOBS.c[name] for name in _NAMES)  # selected in the order of Job's fields
_cells_of = attrgetter(*_NAMES)
_AT = {name: index for index, name in enumerate(_NAMES)}
_PRIORITY, _STATUS, _OUTPUTS, _ERROR, _WEBHOOK, _LINEAGE, _NEEDS = (
    _AT[name] for name in ("priority", "status", "outputs", "error", "webhook", "lineage", "needs")
)


def job_of(row: Sequence[Any]) -> Job:
    """The job in a row that was selected as JOB_COLUMNS."""
    cells = list(row)
    cells[_PRIORITY] = Priority(cells[_PRIORITY])
    cells[_STATUS] = Status(cells[_STATUS])
    cells[_OUTPUTS] = tuple(Output(**output) for output in cells[_OUTPUTS])
    cells[_ERROR] = Fault(**cells[_ERROR]) if cells[_ERROR] else None
    cells[_WEBHOOK] = _webhook(cells[_WEBHOOK]) if cells[_WEBHOOK] else None
    cells[_LINEAGE] = _lineage(cells[_LINEAGE]) if cells[_LINEAGE] else PLAIN
    cells[_NEEDS] = tuple(cells[_NEEDS])
    return Job(*cells)


def attempt_of(row: Any) -> Attempt:
    """The attempt in a row of `attempts`."""
    cells = {field.name: getattr(row, field.name) for field in fields(Attempt)}
    return Attempt(**cells | {"error": Fault(**row.error) if row.error else None})


def row_of(job: Job) -> dict[str, Any]:
    """The cells of a job's row, ready to insert."""
    cells = dict(zip(_NAMES, _cells_of(job), strict=True))
    cells["priority"] = int(job.priority)
    cells["status"] = job.status.value
    cells["outputs"] = [output.cells for output in job.outputs]
    cells["error"] = asdict(job.error) if job.error else None
    cells["webhook"] = asdict(job.webhook) if job.webhook else None
    cells["lineage"] = _lineage_cell(job.lineage) if job.lineage is not PLAIN else {}
    cells["needs"] = list(job.needs)
    return cells


def _webhook(cell: dict[str, Any]) -> Webhook:
    return Webhook(**cell | {"events": tuple(map(Event, cell["events"]))})


def _lineage(cell: dict[str, Any]) -> Lineage:
    policy = IfNeedFails(cell.get("if_need_fails", PLAIN.if_need_fails))
    return Lineage(**{**cell, "if_need_fails": policy})


def _lineage_cell(lineage: Lineage) -> dict[str, Any]:
    """What differs from a plain job's; of most jobs, nothing."""
    return {name: value for name, value in asdict(lineage).items() if value != getattr(PLAIN, name)}
