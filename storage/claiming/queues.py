"""In which queues a job waits."""

from collections.abc import Iterator

from sqlalchemy import Connection, bindparam, func, select

from storage.statuses import QUEUED
from storage.tables import JOBS

_FIRST = select(func.min(JOBS.c.queue)).where(QUEUED)
_NEXT = _FIRST.where(JOBS.c.queue > bindparam("name"))


def waiting_queues(connection: Connection) -> Iterator[str]:
    """In order. One step along the index for each queue, however many jobs wait in it: a DISTINCT would read them
    all, every second."""
    name = connection.execute(_FIRST).scalar()
    while name is not None:
        yield name
        name = connection.execute(_NEXT, {"name": name}).scalar()
