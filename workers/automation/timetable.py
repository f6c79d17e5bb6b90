"""The timetable: makes the jobs of the ticks that have come. Called by the reaper that leads; should two believe that
they do, each tick still runs once."""

import logging
from collections.abc import Sequence
from datetime import datetime

from forms.desk import Desk, Order
from jobs.errors import InvalidInput, StoreUnavailable
from jobs.schedules import Schedule, due_ticks, tick_key, tick_values
from jobs.values import Job
from storage.automation.placing import Wanted
from storage.automation.schedules import Schedules
from storage.engine import Database
from storage.jobs.store import JobStore

log = logging.getLogger(__name__)


class Timetable:
    """Every schedule, and where its jobs are ordered."""

    def __init__(self, database: Database, desk: Desk, max_queued: int) -> None:
        self._schedules = Schedules(database)
        self._store = JobStore(database)
        self._desk = desk
        self._max_queued = max_queued

    def fire_due(self) -> list[Job]:
        """The new jobs. While as many jobs are queued as may be, ticks wait; then they are late, and it is as
        `catch_up` says.

        Raises:
            StoreUnavailable: some ticks may have fired.
        """
        due, now = self._schedules.due()
        if due and self._store.queued(self._max_queued) >= self._max_queued:
            log.warning("%d schedule(s) wait until fewer jobs are queued", len(due))
            return []
        return [job for schedule in due for job in self._tried(schedule, now)]

    def _tried(self, schedule: Schedule, now: datetime) -> Sequence[Job]:
        """None of its jobs, where it stumbles: it is tried again at the next look."""
        try:
            return self._fire(schedule, now)
        except StoreUnavailable:
            raise
        except Exception:  # the others must have their ticks
            log.exception("schedule %s (%s) stumbled", schedule.id, schedule.name)
            return []

    def _fire(self, schedule: Schedule, now: datetime) -> Sequence[Job]:
        wanted: list[Wanted] = []
        error = None
        ticks = due_ticks(schedule, now)
        try:
            wanted = [self._order(schedule, tick) for tick in ticks]
        except InvalidInput as fault:
            error = fault.told[:1000]
            log.warning("schedule %s (%s): %s", schedule.id, schedule.name, error)
        return self._schedules.fire(schedule, wanted, ticks[-1] if ticks else now, now, error)

    def _order(self, schedule: Schedule, tick: datetime) -> Wanted:
        order = Order(schedule.tenant, tick_key(schedule, tick), f"schedule:{schedule.id}")
        return self._desk.order(schedule.template, tick_values(schedule, tick), order)
