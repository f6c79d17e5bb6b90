"""Working off consequences: one transaction takes some, does all that follows from them in other rows, and forgets
them. So each is done exactly once, whoever dies; the Celery message is only a doorbell."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from jobs.errors import StoreUnavailable
from jobs.groups import Group
from jobs.values import Job
from storage.changes.outbox import Consequence
from storage.engine import Database
from storage.statuses import OPEN
from storage.tables import CONSEQUENCES

log = logging.getLogger(__name__)

Changed = Job | Group
Follow = Callable[[Connection, Sequence[Consequence], datetime], Sequence[Changed]]
"""What follows from consequences in one respect: changes rows, and returns what it changed or made."""

_AT_ONCE = 100
_TRIES = 3  # alone, until one is set aside


class Consequences:
    """Synchronous; every method is one transaction. Any number of processes may work at once.

    Raises:
        StoreUnavailable: from every method, when the database does not answer.
    """

    def __init__(self, database: Database, follow: Sequence[Follow] = ()) -> None:
        self._database = database
        self._follow = follow

    def waiting(self, limit: int) -> list[str]:
        """Subjects of what is not worked off yet, the oldest first."""
        query = select(CONSEQUENCES.c.subject).where(OPEN).order_by(CONSEQUENCES.c.id).limit(limit)
        with self._database.reading() as connection:
            return list(connection.execute(query).scalars())

    def work_off(self) -> tuple[int, list[Changed]]:
        """Some of them, the oldest first. One that cannot be done is set aside with its fault, so that it does not
        keep the others waiting.

        Returns:
            How many, and what changed or was made.
        """
        try:
            return self._work_off(_AT_ONCE, [])
        except StoreUnavailable:
            raise
        except Exception:  # whatever one of them leads to, the others must be done
            log.exception("consequences stumbled: the oldest alone")
            return self._alone()

    def _work_off(self, limit: int, tried: list[int]) -> tuple[int, list[Changed]]:
        with self._database.writing() as connection:
            happened = _take(connection, limit)
            tried += [one.id for one in happened]
            if not happened:
                return 0, []
            now = self._database.now(connection)
            changed = [one for follow in self._follow for one in follow(connection, happened, now)]
            done = CONSEQUENCES.c.id.in_([one.id for one in happened])
            connection.execute(delete(CONSEQUENCES).where(done))
        return len(happened), changed

    def _alone(self) -> tuple[int, list[Changed]]:
        """The oldest. It may have met another process that began the same work: then the next try finds that."""
        tried: list[int] = []
        while True:
            try:
                return self._work_off(1, tried)
            except StoreUnavailable:
                raise
            except Exception as fault:
                if not tried:
                    raise
                if tried.count(tried[-1]) == _TRIES:
                    self._set_aside(tried[-1], fault)
                    return 1, []

    def _set_aside(self, stumbled_over: int, fault: Exception) -> None:
        """This one and no other, though another courier may have it by now."""
        aside = update(CONSEQUENCES).where(CONSEQUENCES.c.id == stumbled_over)
        with self._database.writing() as connection:
            connection.execute(aside.values(fault=f"{type(fault).__name__}: {fault}"))


def _take(connection: Connection, limit: int) -> list[Consequence]:
    columns = (CONSEQUENCES.c.id, CONSEQUENCES.c.subject, CONSEQUENCES.c.status, CONSEQUENCES.c.event)
    query = select(*columns).where(OPEN).order_by(CONSEQUENCES.c.id).limit(limit).with_for_update(skip_locked=True)
    return [Consequence(*row) for row in connection.execute(query)]
