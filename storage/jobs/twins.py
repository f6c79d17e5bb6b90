"""Twins: jobs that want what another is making already. They wait for its result, and have it in the moment it is
there; when it does not come, they go on by themselves."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from jobs import lifecycle
from jobs.values import FINAL, Job, Status
from storage.changes.changing import change_all
from storage.changes.outbox import Consequence, mark_consequential
from storage.changes.results import pass_on
from storage.changes.rows import JOB_COLUMNS, job_of
from storage.statuses import WAITING
from storage.tables import JOBS, TWINS


def answer_twins(connection: Connection, happened: Sequence[Consequence], now: datetime) -> list[Job]:
    """Of those that wait for one that is over now: they have its result. If it failed, each of them tries for
    itself; if it was given up before it could, the first of them does it in its place, for the others too.

    Returns:
        The jobs that changed.
    """
    over = {one.subject: one.status for one in happened if one.status in FINAL}
    if not over:
        return []
    rows = connection.execute(select(TWINS.c.job_id, TWINS.c.maker_id).where(TWINS.c.maker_id.in_(over)))
    maker_of = {row.job_id: row.maker_id for row in rows}
    if not maker_of:
        return []
    waiting = _locked(connection, list(maker_of))
    connection.execute(delete(TWINS).where(TWINS.c.job_id.in_(list(maker_of))))
    makers = _succeeded(
        connection, {maker_id for maker_id in maker_of.values() if over[maker_id] == Status.SUCCEEDED}
    )
    changed: list[Job] = []
    for maker_id in sorted(set(maker_of.values())):
        twins = [twin for twin in waiting if maker_of[twin] == maker_id]
        if maker_id in makers:
            changed += change_all(connection, twins, lifecycle.reuse(makers[maker_id], now))
        else:
            alone = twins if over[maker_id] == Status.FAILED else _succession(connection, maker_id, twins)
            changed += change_all(connection, alone, lifecycle.release(now))
    return changed


def _succession(connection: Connection, maker_id: str, twins: Sequence[str]) -> Sequence[str]:
    """The first of them, which does the work from now on; the others wait for it."""
    heirs, others = twins[:1], twins[1:]
    for heir in heirs:
        pass_on(connection, maker_id, heir)
    if others:
        connection.execute(insert(TWINS), [{"job_id": twin, "maker_id": twins[0]} for twin in others])
        mark_consequential(connection, heirs)
    return heirs


def _locked(connection: Connection, job_ids: Sequence[str]) -> list[str]:
    """Those of them that wait still, in the order of ids."""
    query = select(JOBS.c.id).where(JOBS.c.id.in_(job_ids), WAITING).order_by(JOBS.c.id).with_for_update()
    return list(connection.execute(query).scalars())


def _succeeded(connection: Connection, job_ids: Collection[str]) -> dict[str, Job]:
    """Those of them that nobody has deleted since."""
    query = select(*JOB_COLUMNS).where(JOBS.c.id.in_(job_ids), JOBS.c.status == Status.SUCCEEDED.value)
    return {job.id: job for job in map(job_of, connection.execute(query))} if job_ids else {}
