"""What a submit must know of the rules: which of them change what it says, and whether any may follow its job. Looked
up every second, so that it costs a submit nothing."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

from forms.desk import Desk
from jobs.errors import ModelNotFound, StoreUnavailable
from jobs.rules import Rule, concerns, wish_event
from jobs.values import Event
from storage.automation.rules import Rules

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_FIRST_LOOK_S = 2.0

Body = dict[str, Any]


class RuleBook:
    """The rules, as they were a moment ago."""

    def __init__(self, rules: Rules, desk: Desk) -> None:
        self._rules = rules
        self._desk = desk
        self._routing: Sequence[Rule] = ()
        self._watched: frozenset[str] = frozenset()
        self._looked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """And wait a moment for the first look, so that no rule misses what is submitted before it."""
        self._task = asyncio.create_task(self._run(), name="rulebook")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_LOOK_S):
                await self._looked.wait()

    async def close(self) -> None:
        if self._task:
            self._task.cancel()

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

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
                self._looked.set()
            except StoreUnavailable as fault:
                log.warning("submits go by the rules as they were: %s", fault)
            await asyncio.sleep(_LOOK_EVERY_S)
