"""Triggers in the database, and the files that have fired them. A file and its job are one transaction: each file
fires once, whoever dies, and however many look."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from config.failpoints import failpoint
from jobs.errors import Conflict, TriggerNotFound
from jobs.triggers import Kind, Stamp, Trigger
from jobs.values import Job
from storage.automation.placing import Placed, Wanted, place
from storage.engine import Database
from storage.tables import SEEN_FILES, TRIGGERS

TRIGGERS_MOST = 1_000  # of one tenant

_COLUMNS = tuple(TRIGGERS.c[field.name] for field in fields(Trigger))
_NAMES_AT_A_TIME = 500


class Triggers:
    """Synchronous; every method is one transaction.

    Raises:
        StoreUnavailable: from every method, when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, trigger: Trigger) -> Trigger:
        """Raises: Conflict, when the name is taken, or there are as many as may be."""
        try:
            with self._database.writing() as connection:
                mine = select(func.count()).select_from(TRIGGERS).where(TRIGGERS.c.tenant == trigger.tenant)
                if connection.execute(mine).scalar_one() >= TRIGGERS_MOST:
                    raise Conflict(f"There may be {TRIGGERS_MOST:,} triggers.")
                made = replace(trigger, created_at=self._database.now(connection))
                connection.execute(insert(TRIGGERS), _row(made))
                return made
        except IntegrityError as fault:
            raise Conflict(f"There is another trigger {trigger.name!r}.") from fault

    def get(self, trigger_id: str, tenant: str | None = None) -> Trigger:
        """Raises: TriggerNotFound, also when it belongs to another tenant."""
        with self._database.reading() as connection:
            return _read(connection, trigger_id, tenant)

    def list(self, tenant: str) -> Sequence[Trigger]:
        """By name."""
        query = select(*_COLUMNS).where(TRIGGERS.c.tenant == tenant).order_by(TRIGGERS.c.name)
        with self._database.reading() as connection:
            return [_trigger(row) for row in connection.execute(query)]

    def change(self, trigger_id: str, tenant: str, wanted: Mapping[str, Any]) -> Trigger:
        """Give some of its fields new values.

        Raises:
            TriggerNotFound: there is none of that id, or it belongs to another tenant.
            Conflict: the name is taken.
        """
        try:
            with self._database.writing() as connection:
                changed = replace(_read(connection, trigger_id, tenant, lock=True), **wanted)
                connection.execute(update(TRIGGERS).where(TRIGGERS.c.id == trigger_id).values(_row(changed)))
                return changed
        except IntegrityError as fault:
            raise Conflict(f"There is another trigger {wanted.get('name')!r}.") from fault

    def delete(self, trigger_id: str, tenant: str) -> None:
        """The jobs it has made stay. Raises: TriggerNotFound."""
        mine = delete(TRIGGERS).where(TRIGGERS.c.id == trigger_id, TRIGGERS.c.tenant == tenant)
        with self._database.writing() as connection:
            if not connection.execute(mine).rowcount:
                raise TriggerNotFound(f"There is no trigger {trigger_id}.")

    def watching(self) -> Sequence[Trigger]:
        """Those that are fired by files, whosever they are."""
        query = select(*_COLUMNS).where(TRIGGERS.c.kind == Kind.FOLDER.value, TRIGGERS.c.enabled)
        with self._database.reading() as connection:
            return [_trigger(row) for row in connection.execute(query)]

    def seen(self, trigger_id: str, names: Sequence[str]) -> dict[str, Stamp]:
        """Those of the names that have fired it, and as what."""
        found: dict[str, Stamp] = {}
        with self._database.reading() as connection:
            for first in range(0, len(names), _NAMES_AT_A_TIME):
                some = names[first : first + _NAMES_AT_A_TIME]
                query = select(SEEN_FILES).where(SEEN_FILES.c.trigger_id == trigger_id, SEEN_FILES.c.name.in_(some))
                found |= {row.name: Stamp(row.bytes, row.modified_ns) for row in connection.execute(query)}
        return found

    def fire(
        self, trigger: Trigger, name: str, stamp: Stamp, wanted: Wanted | None, error: str | None
    ) -> Sequence[Job]:
        """Make a file's job, or group, and remember the file. Nothing when it has fired already, when nothing is to
        be made of it, or when the trigger is gone.

        Returns:
            The new jobs.
        """
        try:
            with self._database.writing() as connection:
                if not _remember(connection, trigger.id, name, stamp):
                    return []
                now = self._database.now(connection)
                placed = place(connection, wanted, now) if wanted else Placed(None, refusal=error)
                told = {"last_at": now, "last_made_id": placed.made_id, "last_error": placed.refusal}
                connection.execute(update(TRIGGERS).where(TRIGGERS.c.id == trigger.id).values(told))
                failpoint("file:committing")
            failpoint("file:committed")
        except IntegrityError:  # another was first in the same moment, or the trigger is gone
            return []
        return placed.jobs

    def tell(self, trigger: Trigger, error: str | None) -> None:
        """Write down why nobody can look for its files, or that somebody can again."""
        told = update(TRIGGERS).where(TRIGGERS.c.id == trigger.id).values(last_error=error)
        with self._database.writing() as connection:
            connection.execute(told)


def _remember(connection: Connection, trigger_id: str, name: str, stamp: Stamp) -> bool:
    """False when this very file is remembered already."""
    here = (SEEN_FILES.c.trigger_id == trigger_id, SEEN_FILES.c.name == name)
    row = connection.execute(select(SEEN_FILES).where(*here).with_for_update()).first()
    if row is None:
        connection.execute(insert(SEEN_FILES), {"trigger_id": trigger_id, "name": name} | asdict(stamp))
        return True
    if Stamp(row.bytes, row.modified_ns) == stamp:
        return False
    connection.execute(update(SEEN_FILES).where(*here).values(asdict(stamp)))
    return True


def _read(connection: Connection, trigger_id: str, tenant: str | None, *, lock: bool = False) -> Trigger:
    query = select(*_COLUMNS).where(TRIGGERS.c.id == trigger_id)
    if tenant is not None:
        query = query.where(TRIGGERS.c.tenant == tenant)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise TriggerNotFound(f"There is no trigger {trigger_id}.")
    return _trigger(row)


def _row(trigger: Trigger) -> dict[str, Any]:
    return asdict(trigger) | {"kind": trigger.kind.value}


def _trigger(row: Sequence[Any]) -> Trigger:
    cells = dict(zip((field.name for field in fields(Trigger)), row, strict=True))
    return Trigger(**cells | {"kind": Kind(cells["kind"])})
