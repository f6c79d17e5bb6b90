"""Circuit breakers: a model that cannot be loaded, again and again, is left alone for a while; its jobs wait
instead of burning their attempts. Afterwards one job probes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, not_, select, update

from jobs.values import Job
from storage.engine import Database
from storage.tables import CIRCUITS, JOBS

_PROBE_S = 120.0  # a probe that is not heard of for so long has died with its worker


@dataclass(frozen=True, slots=True)
class Circuit:
    """How things stand with one model. `reason` is its last fault, `until` when an open circuit half-opens."""

    state: Literal["closed", "open", "half_open"]
    reason: str = ""
    until: datetime | None = None


CLOSED = Circuit("closed")
_NOT_CLOSED = select(CIRCUITS).where(CIRCUITS.c.open_until.is_not(None))
Opened = Sequence[Row[Any]]


class Circuits:
    """The breakers of all models, by full name (`name@version`)."""

    def __init__(self, database: Database, *, failures: int, window_s: float, open_s: float) -> None:
        self.database = database
        self._failures, self._window, self._open = (
            failures,
            timedelta(seconds=window_s),
            timedelta(seconds=open_s),
        )

    def failed(self, model: str, reason: str) -> None:
        """One more failure of loading or of the device. Opens the circuit at the `failures`-th of a window, and
        at once when it was a probe."""
        with self.database.writing() as connection:
            now = self.database.now(connection)
            row = connection.execute(select(CIRCUITS).where(CIRCUITS.c.model == model).with_for_update()).first()
            fresh = row is None or (row.open_until is None and row.since < now - self._window)
            count = 1 if fresh or row is None else row.failures + 1
            opens = count >= self._failures or (row is not None and row.probing)
            values = {
                "failures": count,
                "since": now if fresh or row is None else row.since,
                "open_until": now + self._open if opens else None,
                "probing": False,
                "reason": reason[:1000],
            }
            if row is None:
                connection.execute(insert(CIRCUITS).values(model=model, **values))
            else:
                connection.execute(update(CIRCUITS).where(CIRCUITS.c.model == model).values(**values))

    def worked(self, model: str) -> None:
        """It was loaded: whatever was held against it is forgotten."""
        with self.database.writing() as connection:
            connection.execute(delete(CIRCUITS).where(CIRCUITS.c.model == model))

    def all(self) -> dict[str, Circuit]:
        """Every circuit that is not closed."""
        with self.database.reading() as connection:
            now = self.database.now(connection)
            rows = connection.execute(_NOT_CLOSED)
            return {row.model: _circuit(row, now) for row in rows}


def not_closed(connection: Connection) -> Opened:
    """Those that a claim must heed; none, nearly always."""
    return connection.execute(_NOT_CLOSED).all()


def unblocked(opened: Opened, now: datetime) -> ColumnElement[bool]:
    """The condition that a job's model may be tried now."""
    blocked = [row.model for row in opened if row.open_until > now or _is_probed(row, now)]
    return and_(True, *(not_(_is_of(model)) for model in blocked))


def begin_probe(connection: Connection, opened: Opened, lead: Job, now: datetime) -> bool:
    """Is this job's model half-open? Then the job is its probe, the only one."""
    model = f"{lead.model}@{lead.model_version}"
    if model not in {row.model for row in opened}:
        return False
    half_open = update(CIRCUITS).where(CIRCUITS.c.model == model, CIRCUITS.c.open_until <= now)
    return connection.execute(half_open.values(probing=True, since=now)).rowcount > 0


def _is_probed(row: Row[Any], now: datetime) -> bool:
    return bool(row.probing and row.since > now - timedelta(seconds=_PROBE_S))


def _is_of(full_name: str) -> ColumnElement[bool]:
    name, _, version = full_name.partition("@")
    return and_(JOBS.c.model == name, JOBS.c.model_version == version)


def _circuit(row: Row[tuple[object, ...]], now: datetime) -> Circuit:
    state: Literal["open", "half_open"] = "open" if row.open_until > now else "half_open"
    return Circuit(state, row.reason, row.open_until)
