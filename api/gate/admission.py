"""May another job be accepted? Looked up every second, so that the answer costs a submit nothing."""

import asyncio
import contextlib
import logging

from api.web.problems import CircuitOpen, Overloaded
from config.settings import Settings
from jobs.errors import StoreUnavailable
from storage.automation.aliases import Routing
from storage.claiming.circuits import CLOSED, Circuit, Circuits
from storage.jobs.store import JobStore

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_FIRST_LOOK_S = 2.0


class Admission:
    """The depth of the queue and the models' circuits, as they were a moment ago."""

    def __init__(self, settings: Settings, store: JobStore, circuits: Circuits, routing: Routing) -> None:
        self._settings = settings
        self._store = store
        self._circuits = circuits
        self._routing = routing
        self._looked = asyncio.Event()
        self._queued = 0
        self._not_closed: dict[str, Circuit] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """And wait a moment for the first look: nothing can be accepted before it."""
        self._task = asyncio.create_task(self._run(), name="admission")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_LOOK_S):
                await self._looked.wait()

    async def close(self) -> None:
        if self._task:
            self._task.cancel()

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

    async def _run(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._routing.look)
                self._looked.set()
                self._queued = await asyncio.to_thread(self._store.queued, self._settings.max_queued)
                self._not_closed = await asyncio.to_thread(self._circuits.all)
            except StoreUnavailable as fault:
                log.warning("admission goes by what it knew: %s", fault)
            await asyncio.sleep(_LOOK_EVERY_S)
