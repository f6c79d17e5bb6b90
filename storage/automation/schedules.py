"""Schedules in the database. A tick and the job it makes are one transaction, guarded by the tick itself: one run a
tick, whoever dies, and however many believe that they lead."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from config.failpoints import failpoint
from jobs.errors import Conflict, ScheduleNotFound
from jobs.schedules import CatchUp, Schedule, next_tick
from jobs.values import Job
from storage.automation.placing import Wanted, place
from storage.engine import Database
from storage.tables import SCHEDULES

SCHEDULES_MOST = 1_000  # of one tenant

_COLUMNS = tuple(SCHEDULES.c[field.name] for field in fields(Schedule))


class Schedules:
    """Synchronous; every method is one transaction.

    Raises:
        StoreUnavailable: from every method, when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, schedule: Schedule) -> Schedule:
        """Raises: Conflict, when the name is taken, or there are as many as may be."""
        try:
            with self._database.writing() as connection:
                mine = select(func.count()).select_from(SCHEDULES).where(SCHEDULES.c.tenant == schedule.tenant)
                if connection.execute(mine).scalar_one() >= SCHEDULES_MOST:
                    raise Conflict(f"There may be {SCHEDULES_MOST:,} schedules.")
                now = self._database.now(connection)
                made = _timed(replace(schedule, created_at=now), now)
                connection.execute(insert(SCHEDULES), _row(made))
                return made
        except IntegrityError as fault:
            raise _taken(schedule.name) from fault

    def get(self, schedule_id: str, tenant: str) -> Schedule:
        """Raises: ScheduleNotFound, also when it belongs to another tenant."""
        with self._database.reading() as connection:
            return _read(connection, schedule_id, tenant)

    def list(self, tenant: str) -> Sequence[Schedule]:
        """By name."""
        query = select(*_COLUMNS).where(SCHEDULES.c.tenant == tenant).order_by(SCHEDULES.c.name)
        with self._database.reading() as connection:
            return [_schedule(row) for row in connection.execute(query)]

    def change(self, schedule_id: str, tenant: str, wanted: Mapping[str, Any]) -> Schedule:
        """Give some of its fields new values. With another clock, ticks that have passed are not caught up on.

        Raises:
            ScheduleNotFound: there is none of that id, or it belongs to another tenant.
            Conflict: the name is taken.
        """
        try:
            with self._database.writing() as connection:
                before = _read(connection, schedule_id, tenant, lock=True)
                changed = replace(before, **wanted)
                if _clock(changed) != _clock(before):
                    changed = _timed(changed, self._database.now(connection))
                connection.execute(update(SCHEDULES).where(SCHEDULES.c.id == schedule_id).values(_row(changed)))
                return changed
        except IntegrityError as fault:
            raise _taken(str(wanted.get("name"))) from fault

    def delete(self, schedule_id: str, tenant: str) -> None:
        """The jobs it has made stay. Raises: ScheduleNotFound."""
        mine = delete(SCHEDULES).where(SCHEDULES.c.id == schedule_id, SCHEDULES.c.tenant == tenant)
        with self._database.writing() as connection:
            if not connection.execute(mine).rowcount:
                raise ScheduleNotFound(f"There is no schedule {schedule_id}.")

    def due(self, limit: int = 100) -> tuple[Sequence[Schedule], datetime]:
        """Those with a tick that has come, longest due first; and the moment of the look."""
        with self._database.reading() as connection:
            now = self._database.now(connection)
            query = select(*_COLUMNS).where(SCHEDULES.c.next_at <= now).order_by(SCHEDULES.c.next_at).limit(limit)
            return [_schedule(row) for row in connection.execute(query)], now

    def fire(
        self, schedule: Schedule, wanted: Sequence[Wanted], tick: datetime, now: datetime, error: str | None
    ) -> Sequence[Job]:
        """Make the jobs of its ticks, and move on to the first tick after `now`. Nothing happens when the schedule
        has moved on already, or is there no more.

        Returns:
            The new jobs.
        """
        with self._database.writing() as connection:
            moved: dict[str, Any] = {
                "next_at": next_tick(schedule.cron, schedule.timezone, now),
                "last_error": error,
            }
            if wanted:
                moved |= {"last_at": tick}
            still = update(SCHEDULES).where(SCHEDULES.c.id == schedule.id, SCHEDULES.c.next_at == schedule.next_at)
            if not connection.execute(still.values(moved)).rowcount:
                return []
            placed = [place(connection, one, self._database.now(connection)) for one in wanted]
            if placed:
                told = {"last_made_id": placed[-1].made_id, "last_error": placed[-1].refusal}
                connection.execute(update(SCHEDULES).where(SCHEDULES.c.id == schedule.id).values(told))
            failpoint("schedule:committing")
        failpoint("schedule:committed")
        return [job for one in placed for job in one.jobs]


def _clock(schedule: Schedule) -> tuple[str, str, bool]:
    return schedule.cron, schedule.timezone, schedule.enabled


def _timed(schedule: Schedule, now: datetime) -> Schedule:
    """Due at its next tick from now on, if it is enabled."""
    due = next_tick(schedule.cron, schedule.timezone, now) if schedule.enabled else None
    return replace(schedule, next_at=due)


def _read(connection: Connection, schedule_id: str, tenant: str, *, lock: bool = False) -> Schedule:
    query = select(*_COLUMNS).where(SCHEDULES.c.id == schedule_id, SCHEDULES.c.tenant == tenant)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise ScheduleNotFound(f"There is no schedule {schedule_id}.")
    return _schedule(row)


def _taken(name: str) -> Conflict:
    return Conflict(f"There is another schedule {name!r}.")


def _row(schedule: Schedule) -> dict[str, Any]:
    return asdict(schedule) | {"catch_up": schedule.catch_up.value}


def _schedule(row: Sequence[Any]) -> Schedule:
    cells = dict(zip((field.name for field in fields(Schedule)), row, strict=True))
    return Schedule(**cells | {"catch_up": CatchUp(cells["catch_up"])})
