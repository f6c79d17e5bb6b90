"""The change feed: what was committed since a position. Readers keep their own position."""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import Connection, Table, bindparam, delete, func, select

from jobs.values import Job
from storage.engine import Database
from storage.inserting import Row, insert_rows
from storage.tables import CHANGES

_GAP_PATIENCE_S = 30.0  # longer than any transaction of ours may take: storage.engine sees to it
_GAPS_MOST = 1_000
_START_BEHIND = 200
_READ_MOST = 5_000
_KEEP = 200_000

_IN_ORDER = select(CHANGES).order_by(CHANGES.c.position).limit(_READ_MOST)
_ONWARD = _IN_ORDER.where(CHANGES.c.position > bindparam("behind"))
_LATE = _IN_ORDER.where(CHANGES.c.position.in_(bindparam("gaps", expanding=True)))


class Entry(NamedTuple):
    """One change: of which job, by which verb of the lifecycle (or "submit", "delete", "retire")."""

    job_id: str
    verb: str
    model: str
    seconds: float | None  # of a claim: how long the job waited; of a success: how long its batch ran
    version: str = ""  # of the model


def entry_of(job: Job, verb: str) -> Entry:
    """What the feed says of a job that the verb just changed."""
    seconds = None
    if verb == "claim" and job.started_at:
        seconds = max(0.0, (job.started_at - job.run_after).total_seconds())
    elif verb == "succeed":
        seconds = job.run_s
    return Entry(job.id, verb, job.model, seconds, job.model_version)


def append(connection: Connection, entries: Sequence[Entry]) -> None:
    """Say it in the feed, in the transaction that makes it true."""
    insert_rows(connection, said(entries))


def said(entries: Sequence[Entry]) -> tuple[Table, Sequence[Row]]:
    """The rows of these, for who inserts others with them."""
    return CHANGES, [entry._asdict() for entry in entries]


class Feed:
    """One reader of the feed. PostgreSQL may commit a lower position after a higher one was read: such gaps
    are asked for again until they are filled or too old to be a transaction still under way."""

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._position: int | None = None
        self._gaps: dict[int, float] = {}
        self.behind = True  # nothing was read yet, or as much as one read may: there is more
        self.missed = False  # the last read found a hole too wide to be late commits: changes may be lost to us

    def read(self) -> list[Entry]:
        """What was committed since the last call, oldest first. The first call begins a little behind the end,
        for transactions still under way."""
        with self._database.reading() as connection:
            if self._position is None:
                last = connection.execute(select(func.max(CHANGES.c.position))).scalar() or 0
                self._position = max(0, last - _START_BEHIND)
            rows = list(connection.execute(_ONWARD, {"behind": self._position}))
            if self._gaps:  # a query of its own: with an OR the planner may walk the whole feed
                rows = [*connection.execute(_LATE, {"gaps": list(self._gaps)}), *rows]
        self.behind = len(rows) >= _READ_MOST
        self._advance([row.position for row in rows])
        return [Entry(row.job_id, row.verb, row.model, row.seconds, row.version) for row in rows]

    def _advance(self, positions: list[int]) -> None:
        now = self._monotonic()
        behind = self._position or 0
        self.missed = any(later - earlier > _GAPS_MOST for earlier, later in pairwise([behind, *positions]))
        for position in positions:
            self._gaps.pop(position, None)
            assert self._position is not None
            if position > self._position:
                for missing in range(max(self._position + 1, position - _GAPS_MOST), position):
                    self._gaps[missing] = now
                self._position = position
        oldest = now - _GAP_PATIENCE_S
        kept = [(gap, since) for gap, since in self._gaps.items() if since > oldest]
        self._gaps = dict(kept[-_GAPS_MOST:])


def trim_feed(database: Database) -> None:
    """Forget changes that every living reader has long read."""
    with database.writing() as connection:
        last = connection.execute(select(func.max(CHANGES.c.position))).scalar() or 0
        connection.execute(delete(CHANGES).where(CHANGES.c.position <= last - _KEEP))
