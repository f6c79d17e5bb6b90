"""Whom a worker would rather take than the best of a queue: a job of a model that it has in memory already. Never one
of lower priority, and only from among the next few, so that the look costs the same however many wait."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, bindparam, or_, select

from jobs.values import Job
from storage.changes.rows import JOB_COLUMNS, job_of
from storage.claiming.circuits import Opened, unblocked
from storage.claiming.due import CLAIM_ORDER, DUE
from storage.statuses import QUEUED
from storage.tables import JOBS

_AHEAD_MOST = 200  # jobs among which is looked

_FIRST = select(JOBS.c.model, JOBS.c.model_version, JOBS.c.priority).where(*DUE).order_by(*CLAIM_ORDER).limit(1)
_AHEAD = (
    select(JOBS.c.id).where(*DUE, JOBS.c.priority == bindparam("as_urgent")).order_by(*CLAIM_ORDER).limit(_AHEAD_MOST)
)


def find_warm(
    connection: Connection, queue: str, warm: Sequence[str], opened: Opened, now: datetime
) -> tuple[bool, Job | None]:
    """Is anything claimable? And the best claimable job whose model (name@version) is one of these, when it is not
    the best of all. Locked; the best of all is not, so that nobody who looks at this moment passes over it."""
    also = (unblocked(opened, now),) if opened else ()
    which = {"of_queue": queue, "now": now}
    first = connection.execute(_FIRST.where(*also) if also else _FIRST, which).first()
    if first is None or f"{first.model}@{first.model_version}" in warm:
        return first is not None, None
    query = (
        select(*JOB_COLUMNS)
        .where(QUEUED, JOBS.c.id.in_(select(_AHEAD.where(*also).subquery().c.id)), _is_of(warm))
        .order_by(*CLAIM_ORDER)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = connection.execute(query, {**which, "as_urgent": first.priority}).first()
    return True, job_of(row) if row else None


def _is_of(models: Sequence[str]) -> ColumnElement[bool]:
    named = (model.partition("@") for model in models)
    return or_(*(and_(JOBS.c.model == name, JOBS.c.model_version == version) for name, _, version in named))
