"""A glance at the database every second, so that what each submit asks is answered from memory."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from jobs.errors import StoreUnavailable

log = logging.getLogger(__name__)

_EVERY_S = 1.0
_FIRST_S = 2.0


class Glance:
    """Owned by one event loop. While the database does not answer, what was seen last holds."""

    def __init__(self, name: str, look: Callable[[], Awaitable[None]]) -> None:
        self._name = name
        self._look = look
        self._looked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """And wait a moment for the first look."""
        self._task = asyncio.create_task(self._run(), name=self._name)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_S):
                await self._looked.wait()

    async def close(self) -> None:
        if self._task:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
                self._looked.set()
            except StoreUnavailable as fault:
                log.warning("%s goes by what it knew: %s", self._name, fault)
            await asyncio.sleep(_EVERY_S)
