"""The leases of this stack's workers, as their supervisor sees them: a name that is never used twice for every
start of a worker, and what a dead one held freed at once, so that another can take it.

A name is role.stack.run.start, such as worker-0.9f3c1a.5d2e.3. It is released exactly by that name, so a release
that comes late, from a database that was frozen, cannot touch the worker that was started after."""

import itertools
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from config.settings import Settings
from jobs.errors import StoreUnavailable

log = logging.getLogger(__name__)

_AGAIN_S = 0.5

Answer = TypeVar("Answer")


class Leases:
    """Frees in a thread of its own: the supervisor must go on whatever its database does. A child process would
    have to import for longer than the new worker needs to claim."""

    def __init__(self, settings: Settings, stack: str) -> None:
        self._settings = settings
        self._stack = stack
        self._run = secrets.token_hex(2)
        self._starts = itertools.count(1)
        self._dead: queue.SimpleQueue[str] = queue.SimpleQueue()

    def new_name(self, role: str) -> str:
        return f"{role}.{self._stack}.{self._run}.{next(self._starts)}"

    def free(self, name: str) -> None:
        """The process of that name has ended: nobody holds what it held. Never blocks."""
        self._dead.put(name)

    def start(self) -> None:
        """Free what a stack held that was killed before us, then whatever dies from now on."""
        threading.Thread(target=self._free_all, name="leases", daemon=True).start()

    def _free_all(self) -> None:
        estate = _Estate(self._settings)
        for name in filter(self._is_of_the_past, _patiently(estate.holders)):
            _patiently(partial(estate.release, name))
        while True:
            _patiently(partial(estate.release, self._dead.get()))

    def _is_of_the_past(self, name: str) -> bool:
        """Held by a process of an earlier run of this very stack: there is only one at a time."""
        parts = name.split(".")
        return len(parts) == 4 and parts[1] == self._stack and parts[2] != self._run


class _Estate:
    """What it takes to free and to tell. Imported here, when it is needed: the supervisor starts without it."""

    def __init__(self, settings: Settings) -> None:
        from storage.bus import Bus, Errands
        from storage.claiming.claims import Claims
        from storage.engine import Database
        from workers.narrator import Narrator
        from workers.queue import Doorbell, build_celery

        app = build_celery(settings)
        errands = Errands("errands")
        self._database = Database(settings.database)
        self._claims = Claims(self._database)
        self._bus = Bus(settings.broker_url, errands)
        self._doorbell = Doorbell(app, errands)
        self._narrator = Narrator(app)

    def holders(self) -> set[str]:
        return self._claims.holders()

    def release(self, name: str) -> None:
        """Raises: StoreUnavailable."""
        freed = self._claims.release(name)
        self._database.close()  # deaths are rare: no connection is kept for the next one
        if not freed:
            return
        log.warning("freed %d job(s) of %s, which died", len(freed), name)
        self._bus.changed()
        self._doorbell.ring_for(freed)
        for job in freed:
            self._narrator.ended(job, 0.0)


def _patiently(act: Callable[[], Answer]) -> Answer:
    while True:
        try:
            return act()
        except StoreUnavailable as fault:
            log.warning("leases wait to be freed: %s", fault)
            time.sleep(_AGAIN_S)
