"""May another job be accepted? Looked up every second, so that the answer costs a submit nothing."""

import asyncio

from api.gate.glance import Glance
from api.web.problems import CircuitOpen, Overloaded
from config.settings import Settings
from storage.automation.aliases import Routing
from storage.claiming.circuits import CLOSED, Circuit, Circuits
from storage.jobs.store import JobStore


class Admission:
    """The depth of the queue and the models' circuits, as they were a moment ago."""

    def __init__(self, settings: Settings, store: JobStore, circuits: Circuits, routing: Routing) -> None:
        self._settings = settings
        self._store = store
        self._circuits = circuits
        self._routing = routing
        self._queued = 0
        self._not_closed: dict[str, Circuit] = {}
        self._glance = Glance("admission", self._look)

    async def start(self) -> None:
        """And wait a moment for the first look: nothing can be accepted before it."""
        await self._glance.start()

    async def close(self) -> None:
        await self._glance.close()

    def check(self, *models: str) -> None:
        """Count one more in for each of these, or none.

        Raises:
            Overloaded: as many jobs wait as may.
            CircuitOpen: the model cannot be loaded at present, and the policy is to say so.
        """
        if self._queued + len(models) > self._settings.max_queued:
            raise Overloaded
        if self._settings.circuit_policy == "refuse" and any(self.circuit(one).state == "open" for one in models):
            raise CircuitOpen
        self._queued += len(models)

    def circuit(self, model: str) -> Circuit:
        return self._not_closed.get(model, CLOSED)

    async def _look(self) -> None:
        await asyncio.to_thread(self._routing.look)
        self._queued = await asyncio.to_thread(self._store.queued, self._settings.max_queued)
        self._not_closed = await asyncio.to_thread(self._circuits.all)
