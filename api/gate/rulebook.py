"""What a submit must know of the rules: which of them change what it says, and whether any may follow its job. Looked
up every second, so that it costs a submit nothing."""

import asyncio
from collections.abc import Sequence
from typing import Any

from api.gate.glance import Glance
from forms.desk import Desk
from jobs.errors import ModelNotFound
from jobs.rules import Rule, concerns, wish_event
from jobs.values import Event
from storage.automation.rules import Rules

Body = dict[str, Any]


class RuleBook:
    """The rules, as they were a moment ago."""

    def __init__(self, rules: Rules, desk: Desk) -> None:
        self._rules = rules
        self._desk = desk
        self._routing: Sequence[Rule] = ()
        self._watched: frozenset[str] = frozenset()
        self._glance = Glance("rulebook", self.look)

    async def start(self) -> None:
        """And wait a moment for the first look, so that no rule misses what is submitted before it."""
        await self._glance.start()

    async def close(self) -> None:
        await self._glance.close()

    def watches(self, tenant: str) -> bool:
        """May a rule follow what happens to this tenant's jobs?"""
        return tenant in self._watched

    def apply(self, tenant: str, body: Body) -> Body:
        """What is submitted instead. Of several rules that want the same field, the last one by name has its way."""
        if not self._routing:
            return body
        seen = wish_event(tenant, body, self._model(body.get("model")))
        wanted = (rule for rule in self._routing if concerns(rule, tenant, Event.SUBMITTED, seen))
        routes = [route for rule in wanted for route in rule.routes]
        for route in routes:
            if "model" not in route or self._desk.knows(tenant, route["model"]):  # else it has left the catalog since
                body = {**body, **route}
        return body

    async def look(self) -> None:
        """Now, instead of within a second. Raises: StoreUnavailable."""
        self._routing = await asyncio.to_thread(self._rules.routing)
        self._watched = await asyncio.to_thread(self._rules.watched)

    def _model(self, name: Any) -> tuple[str, str] | None:
        try:
            entry = self._desk.catalog.find(name) if isinstance(name, str) else None
        except ModelNotFound:
            return None
        return (entry.name, entry.version) if entry else None
