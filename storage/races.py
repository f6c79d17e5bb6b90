"""Races: of some groups only the first few members may succeed. Whoever concludes one locks its group before any job
and counts: whatever else happens, and however long the losers' cancels take, no more than those few ever succeed."""

from collections.abc import Mapping, Sequence
from datetime import datetime

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
    left: dict[str, int] = {}
    allowed = dict(wanted)
    for job_id in sorted(wanted):
        lineage = jobs[job_id].lineage
        group_id = lineage.race
        if not group_id or wanted[job_id].values.get("status") is not Status.SUCCEEDED:
            continue
        if group_id not in left:
            left[group_id] = (lineage.first or 0) - _succeeded(connection, group_id)
        left[group_id] -= 1
        if left[group_id] < 0:
            allowed[job_id] = lifecycle.stop(jobs[job_id], now)
    return allowed


def _succeeded(connection: Connection, group_id: str) -> int:
    won = JOBS.c.status == Status.SUCCEEDED.value
    members = select(func.count()).select_from(MEMBERS).join(JOBS, JOBS.c.id == MEMBERS.c.job_id)
    return connection.execute(members.where(MEMBERS.c.group_id == group_id, won)).scalar_one()
