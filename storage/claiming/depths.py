"""How deep each queue is, and how long what waits longest has waited. Reads small indexes, of queued and running
jobs and of pending deliveries: finished ones cost nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select

from storage.engine import Database
from storage.statuses import PENDING, QUEUED, RUNNING
from storage.tables import DELIVERIES, JOBS


@dataclass(frozen=True, slots=True)
class Depth:
    """Of one queue. `oldest_s`: how long the one that waits longest could have been claimed; None when none can."""

    queued: int = 0
    running: int = 0
    oldest_s: float | None = None


def read_depths(database: Database) -> Mapping[str, Depth]:
    """By queue; a queue in which nothing is queued or runs is left out. Raises: StoreUnavailable."""
    queued = select(JOBS.c.queue, func.count(), func.min(JOBS.c.run_after)).where(QUEUED).group_by(JOBS.c.queue)
    running = select(JOBS.c.queue, func.count()).where(RUNNING).group_by(JOBS.c.queue)
    with database.reading() as connection:
        now = database.now(connection)
        depths = {queue: Depth(number, 0, _age_s(since, now)) for queue, number, since in connection.execute(queued)}
        for queue, number in connection.execute(running):
            depths[queue] = replace(depths.get(queue, Depth()), running=number)
    return depths


def read_deliveries_depth(database: Database) -> Depth:
    """The same of webhooks' deliveries: `oldest_s` since when the one that is due longest is due."""
    query = select(func.count(), func.min(DELIVERIES.c.next_try_at)).where(PENDING)
    with database.reading() as connection:
        now = database.now(connection)
        number, since = connection.execute(query).one()
        return Depth(number, 0, _age_s(since, now) if since else None)


def _age_s(since: datetime, now: datetime) -> float | None:
    """None for what may only be claimed later: it waits for its back-off, not for a worker."""
    return (now - since).total_seconds() if since <= now else None
