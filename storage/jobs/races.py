"""Races: of some groups only the first few members may succeed. Whoever concludes one locks its group before any job
and counts: whatever else happens, and however long the losers' cancels take, no more than those few ever succeed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import inf

from sqlalchemy import Connection, func, select

from jobs import lifecycle
from jobs.lifecycle import Change
from jobs.values import Job, Status
from storage.tables import GROUPS, JOBS, MEMBERS


def enter_races(connection: Connection, group_ids: Sequence[str]) -> None:
    """Let nobody else conclude a member of these groups until the transaction ends. Before any job is locked."""
    if group_ids:
        query = select(GROUPS.c.id).where(GROUPS.c.id.in_(group_ids)).order_by(GROUPS.c.id).with_for_update()
        connection.execute(query).all()


def outrun(
    connection: Connection, jobs: Mapping[str, Job], wanted: Mapping[str, Change], now: datetime
) -> dict[str, Change]:
    """What is wanted of these jobs, but those that would succeed after the first few are canceled instead."""
    left: dict[str, float] = {}
    allowed = dict(wanted)
    for job_id in sorted(wanted):
        lineage = jobs[job_id].lineage
        group_id = lineage.race
        if not group_id or wanted[job_id].values.get("status") is not Status.SUCCEEDED:
            continue
        if group_id not in left:
            left[group_id] = _left(connection, group_id, lineage.first or 0)
        left[group_id] -= 1
        if left[group_id] < 0:
            allowed[job_id] = lifecycle.stop(jobs[job_id], now)
    return allowed


def _left(connection: Connection, group_id: str, first: int) -> float:
    """How many may succeed still. Of a race that is over any number: who is retried after it is wanted by
    himself."""
    racing = select(GROUPS.c.id).where(GROUPS.c.id == group_id, GROUPS.c.finished_at.is_(None))
    if connection.execute(racing).first() is None:
        return inf
    won = JOBS.c.status == Status.SUCCEEDED.value
    members = select(func.count()).select_from(MEMBERS).join(JOBS, JOBS.c.id == MEMBERS.c.job_id)
    succeeded: int = connection.execute(members.where(MEMBERS.c.group_id == group_id, won)).scalar_one()
    return first - succeeded
