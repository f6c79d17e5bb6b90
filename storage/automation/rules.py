"""Rules in the database. What they lead to is done where consequences are worked off (workers.automation.rules)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from jobs.errors import Conflict, RuleNotFound
from jobs.rules import Rule
from jobs.values import Event, Submission
from storage.engine import Database
from storage.tables import RULES

RULES_MOST = 200  # of one tenant

_COLUMNS = tuple(RULES.c[field.name] for field in fields(Rule))
_OF = RULES.c.tenant.in_(bindparam("tenants", expanding=True))
_WATCHED = select(RULES.c.tenant).where(_OF, RULES.c.enabled, RULES.c.follows).distinct()
_FOLLOWING = select(*_COLUMNS).where(_OF, RULES.c.enabled, RULES.c.follows).order_by(RULES.c.id)


class Rules:
    """Synchronous; every method is one transaction.

    Raises:
        StoreUnavailable: from every method, when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, rule: Rule) -> Rule:
        """Raises: Conflict, when the name is taken, or there are as many as may be."""
        try:
            with self._database.writing() as connection:
                mine = select(func.count()).select_from(RULES).where(RULES.c.tenant == rule.tenant)
                if connection.execute(mine).scalar_one() >= RULES_MOST:
                    raise Conflict(f"There may be {RULES_MOST} rules.")
                made = replace(rule, created_at=self._database.now(connection))
                connection.execute(insert(RULES), _row(made))
                return made
        except IntegrityError as fault:
            raise Conflict(f"There is another rule {rule.name!r}.") from fault

    def get(self, rule_id: str, tenant: str) -> Rule:
        """Raises: RuleNotFound, also when it belongs to another tenant."""
        with self._database.reading() as connection:
            return _read(connection, rule_id, tenant)

    def list(self, tenant: str) -> Sequence[Rule]:
        """By name."""
        query = select(*_COLUMNS).where(RULES.c.tenant == tenant).order_by(RULES.c.name)
        with self._database.reading() as connection:
            return [_rule(row) for row in connection.execute(query)]

    def routing(self) -> Sequence[Rule]:
        """Those that change what is submitted, whosever they are; by name."""
        query = select(*_COLUMNS).where(RULES.c.enabled, RULES.c.event == Event.SUBMITTED.value)
        with self._database.reading() as connection:
            found = [_rule(row) for row in connection.execute(query.order_by(RULES.c.name))]
        return [rule for rule in found if rule.routes]

    def watched(self) -> frozenset[str]:
        """The tenants that have rules which may follow a change of a job."""
        query = select(RULES.c.tenant).where(RULES.c.enabled, RULES.c.follows).distinct()
        with self._database.reading() as connection:
            return frozenset(connection.execute(query).scalars())

    def change(self, rule_id: str, tenant: str, wanted: Mapping[str, Any]) -> Rule:
        """Give some of its fields new values.

        Raises:
            RuleNotFound: there is none of that id, or it belongs to another tenant.
            Conflict: the name is taken.
        """
        try:
            with self._database.writing() as connection:
                changed = replace(_read(connection, rule_id, tenant, lock=True), **wanted)
                connection.execute(update(RULES).where(RULES.c.id == rule_id).values(_row(changed)))
                return changed
        except IntegrityError as fault:
            raise Conflict(f"There is another rule {wanted.get('name')!r}.") from fault

    def delete(self, rule_id: str, tenant: str) -> None:
        """The jobs it has made stay. Raises: RuleNotFound."""
        mine = delete(RULES).where(RULES.c.id == rule_id, RULES.c.tenant == tenant)
        with self._database.writing() as connection:
            if not connection.execute(mine).rowcount:
                raise RuleNotFound(f"There is no rule {rule_id}.")


def marked_for_rules(connection: Connection, wanted: Sequence[Submission]) -> Sequence[Submission]:
    """The submissions, consequential where their tenant has a rule that may follow: for those without a rulebook."""
    tenants = list({submission.tenant for submission in wanted})
    watched = set(connection.execute(_WATCHED, {"tenants": tenants}).scalars())
    if not watched:
        return wanted
    return [replace(one, consequential=True) if one.tenant in watched else one for one in wanted]


def following(connection: Connection, tenants: Sequence[str]) -> list[Rule]:
    """The rules of these tenants that may follow a change of a job."""
    return [_rule(row) for row in connection.execute(_FOLLOWING, {"tenants": tenants})]


def complain(connection: Connection, rule: Rule, error: str) -> None:
    """Write down why a target could not be served."""
    connection.execute(update(RULES).where(RULES.c.id == rule.id).values(last_error=error[:1000]))


def _read(connection: Connection, rule_id: str, tenant: str, *, lock: bool = False) -> Rule:
    query = select(*_COLUMNS).where(RULES.c.id == rule_id, RULES.c.tenant == tenant)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise RuleNotFound(f"There is no rule {rule_id}.")
    return _rule(row)


def _row(rule: Rule) -> dict[str, Any]:
    return asdict(rule) | {"event": rule.event.value}


def _rule(row: Sequence[Any]) -> Rule:
    cells = dict(zip((field.name for field in fields(Rule)), row, strict=True))
    return Rule(**cells | {"event": Event(cells["event"])})
