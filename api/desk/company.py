"""Keeping a client company while its jobs run: until all have ended, or for as long as it listens. A client that goes
away takes nothing with it: its jobs go on."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from api.context import TENANT, Context
from api.watch.views import View
from api.watch.waiting import Watcher, wait_beyond
from jobs.errors import JobNotFound
from jobs.values import Job

_HEARTBEAT_S = 15.0
_PATIENCE_S = 15.0  # how long one frame may wait for a client that does not read
_STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
STILL_HERE = ": still here\n\n"


async def see_off(request: Request, context: Context, jobs: Sequence[Job], seconds: float) -> list[Job]:
    """The jobs once all of them have ended, or as they stand when the seconds are over or the client is gone.

    Raises:
        JobNotFound: one was deleted meanwhile.
    """
    waiting = asyncio.create_task(_ends(context, jobs, seconds))
    gone = asyncio.create_task(until_gone(request.receive))
    try:
        await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        return [await context.lookup.get(job.id) for job in jobs]
    finally:
        waiting.cancel()
        gone.cancel()


async def _ends(context: Context, jobs: Sequence[Job], seconds: float) -> list[Job]:
    """One after the other: whoever ended meanwhile costs no time."""
    give_up_at = time.monotonic() + seconds
    ended = []
    for job in jobs:
        left = max(0.0, give_up_at - time.monotonic())
        ended.append(job if job.final else await wait_beyond(context.follower, context.lookup, job, None, left))
    return ended


async def views_of(context: Context, job_id: str, *, looks: bool = False) -> AsyncGenerator[View | None]:
    """The job as it stands, then each later view of it, until its end or that of this process; None for each
    stretch of silence in between.

    Raises:
        JobNotFound: there is no such job, or no more.
    """
    watcher = Watcher(TENANT, looks=looks)
    with context.follower.following(job_id, watcher):
        watcher.offer(context.follower.view(await context.lookup.get(job_id, TENANT)))
        told: View | None = None
        while not context.follower.draining:
            view = watcher.view
            if view is not None and view is not told:
                told = view
                yield view
                if view.job.final:
                    return
            if not await watcher.news(_HEARTBEAT_S):
                yield None


class FrameStream(Response):
    """Server-sent events, as the frames come, while the client listens."""

    def __init__(self, frames: AsyncGenerator[str]) -> None:
        super().__init__(media_type="text/event-stream", headers=_STREAM_HEADERS)
        del self.headers["content-length"]
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        telling = asyncio.create_task(self._tell(send))
        gone = asyncio.create_task(until_gone(receive))
        try:
            await asyncio.wait({telling, gone}, return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()
        finally:
            gone.cancel()
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, send: Send) -> None:
        try:
            async with aclosing(self._frames) as frames:
                async for frame in frames:
                    async with asyncio.timeout(_PATIENCE_S):
                        await send({"type": "http.response.body", "body": frame.encode(), "more_body": True})
        except (JobNotFound, TimeoutError, OSError):
            return


async def until_gone(receive: Any) -> None:
    """Returns when the client has gone away; its whole request must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
