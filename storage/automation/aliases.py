"""Aliases in the database, with all their revisions, so that one can be rolled back."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from jobs.aliases import Alias, Routes, Shadow, Target
from jobs.errors import AliasNotFound, Conflict, StoreUnavailable
from storage.engine import Database
from storage.tables import ALIASES, COMPARISONS

_KEPT = 100  # revisions of an alias
_FRESH_S = 1.0

_FIELDS = ("tenant", "name", "revision", "targets", "shadows", "restores", "created_at")
_COLUMNS = tuple(ALIASES.c[name] for name in _FIELDS)


class Aliases:
    """Synchronous; every method is one transaction.

    Raises:
        StoreUnavailable: from every method, when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, tenant: str, name: str, targets: Sequence[Target], shadows: Sequence[Shadow]) -> Alias:
        """A new revision of the alias, in force at once."""
        return self._revise(tenant, name, lambda _: (targets, shadows, None))

    def roll_back(self, tenant: str, name: str, to: int | None = None) -> Alias:
        """A new revision that says what an earlier one said: that of this number, or else the one before what is in
        force.

        Raises:
            AliasNotFound: there is no such alias.
            Conflict: there is no such revision.
        """

        def earlier(history: Sequence[Alias]) -> tuple[Sequence[Target], Sequence[Shadow], int]:
            if not history:
                raise AliasNotFound(f"There is no alias {name!r}.")
            wanted = [one for one in history if (one.revision == to if to else one.revision < history[0].origin)]
            if not wanted:
                raise Conflict(f"There is no revision {to}." if to else "There is no revision before this one.")
            return wanted[0].targets, wanted[0].shadows, wanted[0].origin

        return self._revise(tenant, name, earlier)

    def all(self, tenant: str | None = None) -> list[Alias]:
        """Those in force, of one tenant or of all, by name."""
        query = select(*_COLUMNS).where(ALIASES.c.in_force).order_by(ALIASES.c.tenant, ALIASES.c.name)
        with self._database.reading() as connection:
            rows = connection.execute(query if tenant is None else query.where(ALIASES.c.tenant == tenant))
            return [_alias(row) for row in rows]

    def history(self, tenant: str, name: str) -> list[Alias]:
        """The newest revision first. Raises: AliasNotFound."""
        with self._database.reading() as connection:
            found = _history(connection, tenant, name)
        if not found:
            raise AliasNotFound(f"There is no alias {name!r}.")
        return found

    def comparisons(self, tenant: str, name: str) -> list[dict[str, Any]]:
        """How its shadows did, by their model."""
        query = select(COMPARISONS).where(COMPARISONS.c.tenant == tenant, COMPARISONS.c.alias == name)
        with self._database.reading() as connection:
            return [dict(row._mapping) for row in connection.execute(query.order_by(COMPARISONS.c.model))]

    def delete(self, tenant: str, name: str) -> None:
        """With all its revisions. Raises: AliasNotFound."""
        with self._database.writing() as connection:
            gone = connection.execute(delete(ALIASES).where(ALIASES.c.tenant == tenant, ALIASES.c.name == name))
            connection.execute(delete(COMPARISONS).where(COMPARISONS.c.tenant == tenant, COMPARISONS.c.alias == name))
        if not gone.rowcount:
            raise AliasNotFound(f"There is no alias {name!r}.")

    def _revise(self, tenant: str, name: str, say: Callable[[Sequence[Alias]], Any]) -> Alias:
        try:
            return self._revise_once(tenant, name, say)
        except IntegrityError:  # somebody else revised it in the same moment: theirs came first
            return self._revise_once(tenant, name, say)

    def _revise_once(self, tenant: str, name: str, say: Callable[[Sequence[Alias]], Any]) -> Alias:
        mine = (ALIASES.c.tenant == tenant, ALIASES.c.name == name)
        with self._database.writing() as connection:
            history = _history(connection, tenant, name)
            targets, shadows, restores = say(history)
            revision = history[0].revision + 1 if history else 1
            now = self._database.now(connection)
            alias = Alias(tenant, name, revision, tuple(targets), tuple(shadows), restores, now)
            connection.execute(update(ALIASES).where(*mine, ALIASES.c.in_force).values(in_force=False))
            connection.execute(insert(ALIASES).values(**asdict(alias), in_force=True))
            connection.execute(delete(ALIASES).where(*mine, ALIASES.c.revision <= revision - _KEPT))
            _begin_comparisons(connection, alias)
        return alias


class Routing:
    """The aliases in force, as they were a moment ago. May be asked from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self.aliases = Aliases(database)
        self._clock = clock
        self._looked_at = float("-inf")
        self._routes: Routes | None = None

    @property
    def routes(self) -> Routes:
        """Raises: StoreUnavailable, while they were never looked up: a name must not be taken for what it is not."""
        if self._routes is None:
            raise StoreUnavailable("Which aliases there are is not known yet.")
        return self._routes

    def look(self) -> Routes:
        """Look them up. Raises: StoreUnavailable."""
        self._routes = routes = {(alias.tenant, alias.name): alias for alias in self.aliases.all()}
        self._looked_at = self._clock()
        return routes

    def recent(self) -> Routes:
        """Not older than a second. Raises: StoreUnavailable."""
        return self.routes if self._clock() - self._looked_at < _FRESH_S else self.look()


def _begin_comparisons(connection: Connection, alias: Alias) -> None:
    """Counts that are there before the first of its shadow jobs ends."""
    mine = (COMPARISONS.c.tenant == alias.tenant, COMPARISONS.c.alias == alias.name)
    known = set(connection.execute(select(COMPARISONS.c.model).where(*mine)).scalars())
    begun = [one.model for one in alias.shadows if one.model not in known]
    if begun:
        rows = [{"tenant": alias.tenant, "alias": alias.name, "model": model} for model in begun]
        connection.execute(insert(COMPARISONS), rows)


def _history(connection: Connection, tenant: str, name: str) -> list[Alias]:
    query = select(*_COLUMNS).where(ALIASES.c.tenant == tenant, ALIASES.c.name == name)
    return [_alias(row) for row in connection.execute(query.order_by(ALIASES.c.revision.desc()))]


def _alias(row: Any) -> Alias:
    tenant, name, revision, targets, shadows, restores, created_at = row
    created: datetime = created_at
    return Alias(
        tenant,
        name,
        revision,
        tuple(Target(**target) for target in targets),
        tuple(Shadow(**shadow) for shadow in shadows),
        restores,
        created,
    )
