"""What is still to be done, by queue, as a forecast needs it. Costs nothing for finished jobs."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select

from jobs.forecast import Running, Waiting
from storage.claiming.queues import waiting_queues
from storage.engine import Database
from storage.statuses import QUEUED, RUNNING
from storage.tables import JOBS

_MODEL = (JOBS.c.id, JOBS.c.queue, JOBS.c.model, JOBS.c.model_version, JOBS.c.work, JOBS.c.steps)


@dataclass(slots=True)
class Backlog:
    """One queue: who waits, in claim order, and what runs."""

    waiting: list[Waiting] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)


def read_backlog(database: Database, most: int) -> dict[str, Backlog]:
    """By queue: the best `most` waiting jobs, and all that run."""
    waiting = select(*_MODEL, JOBS.c.batch_key, JOBS.c.units).where(QUEUED).order_by(JOBS.c.priority, JOBS.c.id)
    running = select(*_MODEL, JOBS.c.seq, JOBS.c.worker, JOBS.c.started_at).where(RUNNING)
    queues: dict[str, Backlog] = {}
    with database.reading() as connection:
        now = database.now(connection)
        for queue in waiting_queues(connection):
            rows = connection.execute(waiting.where(JOBS.c.queue == queue).limit(most))
            queues[queue] = Backlog([_waiting(row) for row in rows])
        for row in connection.execute(running):
            queues.setdefault(row.queue, Backlog()).running.append(_running(row, now))
    return queues


def _waiting(row: Any) -> Waiting:
    return Waiting(row.id, _model(row), row.work, row.steps, row.batch_key, row.units)


def _running(row: Any, now: datetime) -> Running:
    elapsed_s = max(0.0, (now - row.started_at).total_seconds())
    return Running(row.id, row.seq, _model(row), row.work, row.steps, row.worker, elapsed_s, 0.0)


def _model(row: Any) -> str:
    return f"{row.model}@{row.model_version}"
