"""Whom a worker would rather take than the best of a queue: a job of a model that it has in memory already. Never one
of lower priority, and only from among the next few, so that the look costs the same however many wait."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from jobs.values import Job
from storage.rows import JOB_COLUMNS, job_of
from storage.statuses import QUEUED
from storage.tables import JOBS

_AHEAD = 200  # jobs among which is looked


def find_warm(connection: Connection, warm: Sequence[str], *due: ColumnElement[bool]) -> Job | None:
    """The best of what is `due` whose model (name@version) is one of these, when it is not the best of all. Locked;
    the best of all is not, so that nobody who looks at this moment passes over it."""
    order = (JOBS.c.priority, JOBS.c.id)
    best = select(JOBS.c.model, JOBS.c.model_version, JOBS.c.priority).where(*due).order_by(*order).limit(1)
    first = connection.execute(best).first()
    if first is None or f"{first.model}@{first.model_version}" in warm:
        return None
    ahead = select(JOBS.c.id).where(*due, JOBS.c.priority == first.priority).order_by(*order).limit(_AHEAD)
    query = (
        select(*JOB_COLUMNS)
        .where(QUEUED, JOBS.c.id.in_(select(ahead.subquery().c.id)), _is_of(warm))
        .order_by(*order)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = connection.execute(query).first()
    return job_of(row) if row else None


def _is_of(models: Sequence[str]) -> ColumnElement[bool]:
    named = (model.partition("@") for model in models)
    return or_(*(and_(JOBS.c.model == name, JOBS.c.model_version == version) for name, _, version in named))
