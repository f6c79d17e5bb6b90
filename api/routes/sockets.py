"""The WebSocket `/v1/ws`: one session for each socket. It speaks plain ASGI, since thousands of sockets idle
here and each must cost little."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from api.context import TENANT, Context, Ctx
from api.desk import group_orders, orders
from api.gate.origins import refusal
from api.shapes import frames
from api.shapes.documents import TicketDocument
from api.watch.mailbox import Mailbox, MailboxFull
from api.watch.views import AnyView, Subject
from api.web.problems import TooMany, problem_of
from api.web.wire import ABORT
from forms.strict_json import parse_object
from jobs.document import timestamp
from jobs.errors import GroupNotFound, InvalidInput, JobNotFound, SafelightError
from jobs.identity import parse_job_id

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1", tags=["sockets"])

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PATIENCE_S = 10.0  # how long one frame may wait for a client that does not read
_UNANSWERED_MOST = 500
_FOLLOWED_MOST = 10_000
_UNFINISHED_MOST = 1_000
_GROUPS_MOST = 100  # each may have two hundred members
_TOO_MUCH = 1008


class Sockets:
    """The ASGI endpoint: admits sockets and counts them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._open = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        reason = refusal(scope, self._context.settings)
        if reason is None and not await self._context.tickets.admit(scope["query_string"]):
            reason = 403, "The ticket is not valid any more."
        if reason is None and self._open >= self._context.settings.max_sockets:
            reason = 503, "Too many sockets are open."
        if reason is not None:
            await _refuse(send, *reason)
            return
        self._open += 1
        try:
            await send({"type": "websocket.accept"})
            abort = scope.get("extensions", {}).get(ABORT, {}).get("abort")
            await Session(self._context, send, abort).run(receive)
        finally:
            self._open -= 1


class Session:
    """What one socket watches and waits for. A subscriber of the follower."""

    __slots__ = ("_abort", "_context", "_followed", "_mailbox", "_orders", "_send", "looks", "tenant")

    def __init__(self, context: Context, send: Send, abort: Callable[[], None] | None) -> None:
        self.tenant = TENANT
        self.looks = True
        self._context = context
        self._send = send
        self._abort = abort
        self._mailbox = Mailbox()
        self._followed: set[str] = set()
        self._orders: set[asyncio.Task[None]] = set()

    def offer(self, view: AnyView) -> None:
        self._mailbox.offer(view)

    def gone(self, subject: str) -> None:
        self._followed.discard(subject)
        self._context.follower.unfollow([subject], self)
        with suppress(MailboxFull):
            self._fail(JobNotFound(f"{subject} was deleted."), None, subject)

    def leave(self) -> None:
        """The server closes its sockets by itself, with 1012."""

    async def run(self, receive: Receive) -> None:
        """Until the client or this process leaves."""
        sender = asyncio.create_task(self._send_all())
        try:
            while (message := await receive())["type"] == "websocket.receive":
                await self._hear(message)
        except MailboxFull:
            await self._close("The answers are not read.")
        finally:
            self._context.follower.unfollow(self._followed, self)
            self._context.follower.unfollow_all(self)
            for task in (sender, *self._orders):
                task.cancel()

    async def _hear(self, message: Message) -> None:
        ref: frames.Ref = None
        try:
            text = message.get("text")
            if text is None:
                raise InvalidInput("Frames are JSON text.")
            try:
                said = parse_object(text.encode())
            except InvalidInput:
                ref = frames.ref_in(text)
                raise
            ref = said.get("ref") if isinstance(said.get("ref"), str | int) else None
            await self._obey(frames.parse_frame(said))
        except SafelightError as fault:
            self._fail(fault, ref)
        except MailboxFull:
            raise
        except Exception as fault:  # a bug must not take the socket's other jobs with it
            self._fail(fault, ref)

    async def _obey(self, frame: frames.ClientFrame) -> None:
        match frame:
            case frames.Submit():
                self._order(frame)
            case frames.Subscribe():
                await self._subscribe(frame)
            case frames.Unsubscribe():
                self._unsubscribe(frame)
            case frames.Cancel():
                self.offer(await self._cancel(frame.id))
            case frames.Ping():
                self._mailbox.answer(frames.pong(frame.ref))

    def _order(self, frame: frames.Submit) -> None:
        """Submits run side by side, so that they share transactions; the socket goes on listening.

        Raises:
            TooMany: so many were sent and not answered yet.
        """
        if len(self._orders) >= _UNANSWERED_MOST:
            raise TooMany(f"{_UNANSWERED_MOST} submits of this socket wait for their answer.")
        task = asyncio.create_task(self._submit(frame))
        self._orders.add(task)
        task.add_done_callback(self._orders.discard)

    async def _submit(self, frame: frames.Submit) -> None:
        try:
            wanted = orders.check_order(
                self._context,
                frame.job,
                tenant=self.tenant,
                idempotency_key=frame.idempotency_key,
                fresh=frame.no_cache,
                sticky=frame.sticky,
            )
            self._mailbox.hold(wanted.id)
            try:
                job, _ = await orders.submit(self._context, wanted)
                self._follow([job.id])
                view = self._context.follower.view(job)
                self._mailbox.answer(frames.accepted(frame.ref, view.text))
                self._mailbox.told(view)
            finally:
                self._mailbox.let_go(wanted.id)
            if job.final or job.id != wanted.id:  # an earlier job: it may have moved on unseen
                await self._present([job.id])
        except MailboxFull:
            await self._close("The answers are not read.")
        except Exception as fault:  # also of a bug: whoever submits must be answered
            self._fail(fault, frame.ref)

    async def _subscribe(self, frame: frames.Subscribe) -> None:
        if frame.all:
            self._context.follower.follow_all(self)
            for subject in await asyncio.to_thread(self._unfinished):
                self.offer(self._context.follower.show(subject))
            return
        assert frame.ids is not None
        known = [job_id for job_id in map(parse_job_id, frame.ids) if job_id]
        self._follow(known)
        found = await self._present(known)
        for asked in frame.ids:
            if parse_job_id(asked) not in found:
                self._fail(JobNotFound(f"There is no job and no group {asked!r}."), frame.ref, asked)
        self._unfollow(set(known) - found)

    def _unsubscribe(self, frame: frames.Unsubscribe) -> None:
        if frame.all:
            self._context.follower.unfollow_all(self)
        else:
            self._unfollow({job_id for job_id in map(parse_job_id, frame.ids or ()) if job_id})

    async def _cancel(self, text: str) -> AnyView:
        try:
            return self._context.follower.view(await orders.cancel(self._context, text, self.tenant))
        except JobNotFound as missing:
            try:
                return self._context.follower.group_view(await group_orders.cancel(self._context, text, self.tenant))
            except GroupNotFound:
                raise missing from None

    def _unfinished(self) -> list[Subject]:
        """The oldest first."""
        jobs = self._context.store.unfinished(self.tenant, _UNFINISHED_MOST)
        groups = self._context.groups.unfinished(self.tenant, _GROUPS_MOST)
        return [*reversed(groups), *reversed(jobs)]

    async def _present(self, ids: list[str]) -> set[str]:
        """Offer the present state; says which of these there are."""
        mine = [one for one in await asyncio.to_thread(self._read, ids) if one.tenant == self.tenant]
        for subject in mine:
            self.offer(self._context.follower.show(subject))
        return {subject.id for subject in mine}

    def _read(self, ids: list[str]) -> list[Subject]:
        jobs = self._context.store.get_many(ids)
        others = list(set(ids) - {job.id for job in jobs})
        return [*jobs, *(self._context.groups.get_many(others) if others else ())]

    def _follow(self, job_ids: list[str]) -> None:
        """Raises: TooMany."""
        if len(self._followed) + len(job_ids) > _FOLLOWED_MOST:
            raise TooMany(f"One socket may follow {_FOLLOWED_MOST} jobs; subscribe to all instead.")
        self._followed.update(job_ids)
        self._context.follower.follow(job_ids, self)

    def _unfollow(self, job_ids: set[str]) -> None:
        self._followed -= job_ids
        self._context.follower.unfollow(job_ids, self)

    def _fail(self, fault: Exception, ref: frames.Ref, job_id: str | None = None) -> None:
        document, _ = problem_of(fault)
        self._mailbox.answer(frames.error(document, ref, job_id))

    async def _send_all(self) -> None:
        while True:
            await self._mailbox.ready.wait()
            while (next_one := self._mailbox.take()) is not None:
                text = next_one if isinstance(next_one, str) else frames.state_frame(next_one.kind, next_one.text)
                try:
                    async with asyncio.timeout(_PATIENCE_S):
                        await self._send({"type": "websocket.send", "text": text})
                except TimeoutError:
                    self._cut()
                    return
                except (OSError, RuntimeError):  # closed meanwhile
                    return

    async def _close(self, reason: str) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._send({"type": "websocket.close", "code": _TOO_MUCH, "reason": reason})
        except (TimeoutError, OSError, RuntimeError):
            self._cut()

    def _cut(self) -> None:
        """A client that does not read would never take note of a close: end the connection itself."""
        if self._abort:
            self._abort()


async def _refuse(send: Send, status: int, detail: str) -> None:
    document = {"type": "about:blank", "title": "Refused", "status": status, "detail": detail}
    headers = [(b"content-type", b"application/problem+json")]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": json.dumps(document).encode()})


@router.post("/ws-tickets", status_code=201, response_model=TicketDocument)
async def issue_ticket(context: Ctx) -> JSONResponse:
    """A ticket for `WS /v1/ws?ticket=…`, good once and for a minute."""
    ticket, until = await context.tickets.issue()
    return JSONResponse({"ticket": ticket, "expires_at": timestamp(until)}, 201)
