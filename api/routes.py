"""Rules that come before a job: what a submit says is changed as they want. They are looked up every second, so that
they cost a submit nothing."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from jobs.errors import ModelNotFound, StoreUnavailable
from jobs.rules import Rule, concerns, wish_event
from jobs.values import Event
from models.catalog import Catalog
from storage.rules import Rules

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0

Body = dict[str, Any]


class Routes:
    """The routing rules, as they were a moment ago."""

    def __init__(self, rules: Rules, catalog: Catalog) -> None:
        self._rules = rules
        self._catalog = catalog
        self._known: Sequence[Rule] = ()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="routes")

    async def close(self) -> None:
        if self._task:
            self._task.cancel()

    def apply(self, tenant: str, body: Body) -> Body:
        """What is submitted instead. Of several rules that want the same field, the last one by name has its way."""
        if not self._known:
            return body
        seen = wish_event(tenant, body, self._model(body.get("model")))
        wanted = (rule for rule in self._known if concerns(rule, tenant, Event.SUBMITTED, seen))
        routes = [route for rule in wanted for route in rule.routes]
        for route in routes:
            if "model" not in route or self._model(route["model"]):  # else it has left the catalog since
                body = {**body, **route}
        return body

    def _model(self, name: Any) -> tuple[str, str] | None:
        try:
            entry = self._catalog.find(name) if isinstance(name, str) else None
        except ModelNotFound:
            return None
        return (entry.name, entry.version) if entry else None

    async def _run(self) -> None:
        while True:
            try:
                self._known = await asyncio.to_thread(self._rules.routing)
            except StoreUnavailable as fault:
                log.warning("submits are routed by the rules as they were: %s", fault)
            await asyncio.sleep(_LOOK_EVERY_S)
