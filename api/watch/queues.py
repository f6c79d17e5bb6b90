"""The queues as they are, of jobs and of deliveries: looked up when asked for, at most once a second."""

import asyncio
import time
from collections.abc import Mapping

from jobs.errors import StoreUnavailable
from storage.claiming.depths import Depth, read_deliveries_depth, read_depths
from storage.engine import Database

_FRESH_S = 1.0
_PATIENCE_S = 3.0  # who asks for figures has little time; a database that is frozen has all there is


class Queues:
    """Owned by one API process. There is never more than one look under way."""

    def __init__(self, database: Database, names: list[str]) -> None:
        self._database = database
        self._names = names
        self._task: asyncio.Task[tuple[Mapping[str, Depth], Depth]] | None = None
        self._asked_at = 0.0

    async def look(self) -> tuple[dict[str, Depth], Depth]:
        """Every queue of the catalog, and those in which other jobs still are; and the deliveries of webhooks.

        Raises:
            StoreUnavailable: the database does not answer, or not soon.
        """
        now = time.monotonic()
        if self._task is None or (self._task.done() and now - self._asked_at > _FRESH_S):
            self._asked_at = now
            self._task = asyncio.create_task(asyncio.to_thread(self._read))
            self._task.add_done_callback(_hear)
        try:
            jobs, deliveries = await asyncio.wait_for(asyncio.shield(self._task), _PATIENCE_S)
        except TimeoutError as fault:
            raise StoreUnavailable from fault
        return dict.fromkeys(self._names, Depth()) | dict(jobs), deliveries

    def _read(self) -> tuple[Mapping[str, Depth], Depth]:
        return read_depths(self._database), read_deliveries_depth(self._database)


def _hear(task: asyncio.Task[tuple[Mapping[str, Depth], Depth]]) -> None:
    """A fault that nobody waits for any more is not worth a complaint."""
    if not task.cancelled():
        task.exception()
