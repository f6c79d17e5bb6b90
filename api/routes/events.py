"""Server-sent events of one job or group: the present state, then every change, until a final one."""

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import Response

from api.context import TENANT, Context, Ctx
from api.desk.orders import known_id
from api.watch.lookup import Found, Lookup
from api.watch.views import AnyView
from api.watch.waiting import Watcher
from jobs.errors import GroupNotFound, JobNotFound

_HEARTBEAT_S = 15.0
_PATIENCE_S = 15.0  # how long one event may wait for a client that does not read
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "`event: job`, `id: SEQ`, data: the job"},
    204: {"description": "The final state was seen already"},
}


@router.get("/{job_id}/events", response_class=Response, responses=_ANSWERS)
async def stream_events(job_id: str, context: Ctx, last_event_id: Annotated[str | None, Header()] = None) -> Response:
    """The job as server-sent events. With `Last-Event-ID` what was seen is not told again; a final state that was
    seen is answered with 204, at which browsers stop asking."""
    return stream(context, context.lookup, await context.lookup.get(known_id(job_id), TENANT), last_event_id)


def stream(context: Context, lookup: Lookup[Found], subject: Found, last_event_id: str | None) -> Response:
    """Tell onward from what was seen of it."""
    seen = _seq(last_event_id)
    if seen > subject.seq:  # of another server, or invented
        seen = 0
    if subject.final and seen == subject.seq:
        return Response(status_code=204)
    return EventStream(context, lookup, subject.id, seen)


class EventStream(Response):
    """The answer: it ends after a final state, when its subject is deleted, or when this process is stopped."""

    def __init__(self, context: Context, lookup: Lookup[Any], subject: str, seen: int) -> None:
        super().__init__(media_type="text/event-stream", headers=_HEADERS)
        del self.headers["content-length"]
        self._context = context
        self._lookup = lookup
        self._subject = subject
        self._seen = seen
        self._watcher: Watcher[Any] = Watcher(TENANT, looks=True)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        listener = asyncio.create_task(_until_gone(receive, self._watcher))
        try:
            with self._context.follower.following(self._subject, self._watcher):
                present = await self._lookup.get(self._subject)
                self._watcher.offer(self._context.follower.show(present))
                await self._tell(send, listener)
        except (JobNotFound, GroupNotFound, TimeoutError, OSError):
            pass
        finally:
            listener.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, send: Any, listener: "asyncio.Task[None]") -> None:
        told: AnyView | None = None
        spoke_at = time.monotonic()
        while not (listener.done() or self._context.follower.draining):
            view: AnyView | None = self._watcher.view
            if view is not None and view is not told and (told or view.subject.seq > self._seen or view.fraction):
                told, spoke_at = view, time.monotonic()
                await _write(send, f"event: {view.kind}\nid: {view.subject.seq}\ndata: {view.text}\n\n")
                if view.subject.final:
                    return
            elif time.monotonic() - spoke_at >= _HEARTBEAT_S:
                spoke_at = time.monotonic()
                await _write(send, ": still here\n\n")
            await self._watcher.news(spoke_at + _HEARTBEAT_S - time.monotonic())


async def _until_gone(receive: Any, watcher: Watcher) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    watcher.leave()


async def _write(send: Any, text: str) -> None:
    """Raises: TimeoutError, when the client does not read."""
    async with asyncio.timeout(_PATIENCE_S):
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


def _seq(last_event_id: str | None) -> int:
    text = (last_event_id or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
