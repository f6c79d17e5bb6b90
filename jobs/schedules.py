"""Schedules: jobs by the clock. What a schedule is, which of its ticks have come, and which of those run. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from jobs.document import Document, timestamp
from jobs.errors import FieldFault, InvalidInput

CAUGHT_UP_MOST = 100  # ticks that `all` runs at a time; older ones are let go
ON_TIME = timedelta(seconds=60)  # a tick that is seen so late still counts as seen in time

_CRON_CHARACTERS = 100
_ZONE_CHARACTERS = 64
_OF_A_HOST = frozenset({"localtime", "posixrules"})  # not the same on each


class CatchUp(StrEnum):
    """What becomes of ticks that passed while nobody could look."""

    NONE = "none"
    LAST = "last"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as its row stands. The comments say how each field moves over time."""

    id: str  # never changes
    tenant: str  # never changes
    name: str  # unique among the tenant's
    cron: str  # five fields, or six with seconds before them
    timezone: str  # of the IANA database
    catch_up: CatchUp
    enabled: bool
    template: Mapping[str, Any]  # {"job": body of POST /v1/jobs}, or {"group": body of POST /v1/groups}
    next_at: datetime | None  # the tick that comes next; None while it is not enabled; moves with every tick
    last_at: datetime | None  # the latest tick that ran
    last_made_id: str | None  # and the job, or the group, that it made
    last_error: str | None  # why the latest tick made none; None after one that did
    created_at: datetime


def check_cron(cron: str, timezone: str, now: datetime) -> None:
    """Raises: InvalidInput, naming `cron` or `timezone`."""
    zone = _zone(timezone)
    if zone is None:
        raise _invalid("timezone", "Is no time zone of the IANA database, such as Europe/Vienna.")
    try:
        found = len(cron) <= _CRON_CHARACTERS and next_tick(cron, timezone, now)
    except CronSimError as fault:
        raise _invalid("cron", f"Is not a cron expression: {fault}.") from fault
    if not found:
        raise _invalid("cron", f"Never comes, or has more than {_CRON_CHARACTERS} characters.")


def next_tick(cron: str, timezone: str, after: datetime) -> datetime | None:
    """The first tick after a moment; None when there is none within fifty years."""
    return next((tick for tick in _ticks(cron, timezone, after) if tick > after), None)


def due_ticks(schedule: Schedule, now: datetime) -> list[datetime]:
    """The ticks that shall run now, oldest first, as `catch_up` says."""
    due = schedule.next_at
    if due is None or due > now:
        return []
    most = CAUGHT_UP_MOST if schedule.catch_up is CatchUp.ALL else 1
    passed = _passed(schedule.cron, schedule.timezone, due, now, most)
    if schedule.catch_up is CatchUp.NONE:
        return [tick for tick in passed if now - tick <= ON_TIME]
    return passed


def tick_values(schedule: Schedule, tick: datetime) -> Document:
    """What a template may say of the tick: `${schedule.tick}`, `${schedule.name}`, `${schedule.id}`."""
    return {"schedule": {"id": schedule.id, "name": schedule.name, "tick": timestamp(tick)}}


def tick_key(schedule: Schedule, tick: datetime) -> str:
    """The idempotency key of a tick's job."""
    return f"schedule:{schedule.id}:{timestamp(tick)}"


def schedule_document(schedule: Schedule) -> Document:
    return {
        "id": schedule.id,
        "name": schedule.name,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "catch_up": schedule.catch_up.value,
        "enabled": schedule.enabled,
        "job": schedule.template.get("job"),
        "group": schedule.template.get("group"),
        "next_at": timestamp(schedule.next_at),
        "last_at": timestamp(schedule.last_at),
        "last_job_id": None if "group" in schedule.template else schedule.last_made_id,
        "last_group_id": schedule.last_made_id if "group" in schedule.template else None,
        "last_error": schedule.last_error,
        "created_at": timestamp(schedule.created_at),
        "urls": {"self": f"/v1/schedules/{schedule.id}"},
    }


def _passed(cron: str, timezone: str, since: datetime, now: datetime, most: int) -> list[datetime]:
    """The latest ticks up to now, `since` being the first of all; backwards, as there may be a great many."""
    found: set[datetime] = set()
    for tick in _ticks(cron, timezone, now + timedelta(microseconds=1), reverse=True):
        if tick <= since or len(found) == most:
            break
        found.add(tick)
    return sorted(found if len(found) == most else found | {since})


def _ticks(cron: str, timezone: str, start: datetime, *, reverse: bool = False) -> Iterator[datetime]:
    """In UTC. Where the clock is put forward or back, cronsim does as Debian's cron: what falls into the hour that
    is left out comes at its end, and what falls into the hour that comes twice comes once."""
    for tick in CronSim(cron, start.astimezone(ZoneInfo(timezone)), reverse):
        yield tick.astimezone(UTC)


def _zone(name: str) -> ZoneInfo | None:
    if not 0 < len(name) <= _ZONE_CHARACTERS or name in _OF_A_HOST:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # the database is files: a name may be a folder, or a path
        return None


def _invalid(field: str, detail: str) -> InvalidInput:
    return InvalidInput("The schedule is not valid.", [FieldFault(field, detail)])
