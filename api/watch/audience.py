"""The audience: tells the workers which running jobs somebody looks at. For the others no preview is made."""

import asyncio
from contextlib import suppress

from api.watch.follower import Follower
from storage.media.previews import PreviewReader

_AGAIN_S = 3.0  # a wish for previews is forgotten if it is not renewed; storage.media.previews says when
_GATHER_S = 0.01  # those who come together are told of together
_MOST = 1_000


class Audience:
    """Owned by one API process."""

    def __init__(self, follower: Follower, previews: PreviewReader) -> None:
        self._follower = follower
        self._previews = previews
        self._all_again_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="audience")

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._follower.joined.wait(), _AGAIN_S)
            await asyncio.sleep(_GATHER_S)
            self._follower.joined.clear()
            await self._want_all()
            if job_ids := self._follower.looked_at(_MOST):
                await self._previews.want(job_ids)

    async def _want_all(self) -> None:
        """Not again for each job that comes: who wants them all has said so."""
        now = asyncio.get_running_loop().time()
        if not self._follower.watches_all:
            self._all_again_at = now
        elif now >= self._all_again_at:
            self._all_again_at = now + _AGAIN_S / 2  # soon: whether it was heard is not known
            await self._previews.want_all()
