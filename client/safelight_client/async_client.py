"""The same client for asyncio. Logic lives in `operations`; this is its input and output, and the surface."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import httpx

from safelight_client.calls import Call, JobOptions, calls_to
from safelight_client.operations import Operations
from safelight_client.steps import Course, Open, Pause, Read, Send, Show, Step, Steps, Work
from safelight_client.values import Group, Job, Model, Output, Status

if TYPE_CHECKING:
    from typing_extensions import Unpack

T = TypeVar("T")


class AsyncSafelight:
    """A client for one server; may be shared between tasks.

    `url` and `key` default to SAFELIGHT_URL and SAFELIGHT_API_KEY. `timeout`: seconds to wait for one answer.
    `patience`: seconds to go on trying while the server is away or overloaded; `reconnect`: the same for `wait`
    and `watch`. `http`: an httpx client of your own, with its proxies and certificates; you close it.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        patience: float = 30.0,
        reconnect: float = 300.0,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._operations = Operations(calls_to(url, key, timeout), patience, reconnect)
        self._http = http or httpx.AsyncClient(limits=httpx.Limits(max_connections=None))
        self._owns_http = http is None

    async def __aenter__(self) -> AsyncSafelight:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; iterators that are still open end with an error."""
        if self._owns_http:
            await self._http.aclose()

    async def submit(
        self,
        model: str,
        input: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Submit a job and return it as accepted. Never in twice, however often it has to be sent.

        `options`: `prompt` (goes into the input), `priority`, `metadata`, `deadline`, `webhook`, `fresh`, `sticky`.

        Raises:
            InvalidInput: naming each field that is wrong.
        """
        return await self._run(self._operations.submit(model, input, options, idempotency_key))

    async def run(
        self,
        model: str,
        input: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        check: bool = True,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Submit a job and wait for its end.

        Raises:
            JobFailed: it did not succeed, unless `check` is false.
            WaitTimeout: it was not finished after `timeout` seconds; it goes on.
        """
        return await self._run(self._operations.run(self._operations.submit(model, input, options), timeout, check))

    async def get(self, job: Job | str) -> Job:
        """The job as it stands now."""
        return await self._run(self._operations.get(job))

    def list(
        self,
        *,
        status: Status | Sequence[Status] | None = None,
        model: str | None = None,
        since: datetime | str | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Job]:
        """Jobs, newest first, all of them or `limit`. `since`: a moment, or an age such as `1h`."""
        return self._iterate(self._operations.list(status, model, since, limit))

    async def wait(self, job: Job | str, timeout: float | None = None) -> Job:
        """The job once it is finished, in whichever way.

        Raises:
            WaitTimeout: it was not, after `timeout` seconds.
        """
        return await self._run(self._operations.wait(job, timeout))

    def watch(self, job: Job | str) -> AsyncGenerator[Job, None]:
        """The job as it stands, then again at every change, up to its final state. Dropped connections are
        made anew; `seq` never goes back, nor does progress under one `seq`."""
        return self._iterate(self._operations.watch(job))

    @overload
    async def download(self, output: Output) -> bytes: ...

    @overload
    async def download(self, output: Output, path: str | os.PathLike[str]) -> Path: ...

    async def download(self, output: Output, path: str | os.PathLike[str] | None = None) -> bytes | Path:
        """The artifact's bytes, or the file they were written to (in a folder: under the artifact's own name).

        Raises:
            CorruptDownload: the bytes are not those the job lists; no file was made.
        """
        if path is None:
            return await self._run(self._operations.read(output))
        return await self._run(self._operations.save(output, path))

    async def cancel(self, job: Job | str) -> Job:
        """Ask for the job to stop; a running one does at its next step."""
        return await self._run(self._operations.cancel(job))

    async def retry(self, job: Job | str) -> Job:
        """Queue a failed, canceled or expired job again. Raises: Conflict, for any other."""
        return await self._run(self._operations.retry(job))

    async def delete(self, job: Job | str) -> None:
        """Forget a finished job and its artifacts. Raises: Conflict, when it is not finished."""
        await self._run(self._operations.delete(job))

    async def submit_group(self, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Group:
        """Submit several jobs as one: `members` or `fan_out`, `join` and what else POST /v1/groups takes.

        Raises:
            InvalidInput: naming each field that is wrong; then nothing of it was accepted.
        """
        return await self._run(self._operations.submit_group(body, idempotency_key))

    async def get_group(self, group: Group | str) -> Group:
        """The group as it stands now."""
        return await self._run(self._operations.get_group(group))

    async def wait_group(self, group: Group | str, timeout: float | None = None) -> Group:
        """The group once its last member is over. Raises: WaitTimeout, after `timeout` seconds."""
        return await self._run(self._operations.wait_group(group, timeout))

    async def cancel_group(self, group: Group | str) -> Group:
        """Cancel all members that are not over."""
        return await self._run(self._operations.cancel_group(group))

    async def upload(self, source: bytes | str | os.PathLike[str]) -> str:
        """Bring a picture, a sound or a film, a file or its bytes; what comes back goes into the input of jobs.

        Raises:
            InvalidInput: it is none of what the server takes.
        """
        return await self._run(self._operations.upload(source))

    async def models(self) -> Sequence[Model]:
        """What the server can generate with."""
        return await self._run(self._operations.models())

    async def stats(self) -> Mapping[str, Any]:
        """The server's figures: queue depth, waits, throughput."""
        return await self._run(self._operations.stats())

    async def _run(self, steps: Steps[T]) -> T:
        async with _Walk(self._http, steps) as walk:
            while not walk.course.done:
                await walk.advance()
        return walk.course.result

    async def _iterate(self, steps: Steps[None]) -> AsyncGenerator[Job, None]:
        async with _Walk(self._http, steps) as walk:
            while not walk.course.done:
                if isinstance(walk.course.step, Show):
                    yield walk.course.step.job
                    walk.course.answer(None)
                else:
                    await walk.advance()


class _Walk(Generic[T]):
    """One operation under way: carries out its steps; holds at most one open body."""

    def __init__(self, http: httpx.AsyncClient, steps: Steps[T]) -> None:
        self._http = http
        self._answer: httpx.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None
        self.course = Course(steps)

    async def __aenter__(self) -> _Walk[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()
        self.course.close()

    async def advance(self) -> None:
        try:
            outcome = await self._perform(self.course.step)
        except httpx.RequestError as fault:
            await self._close()
            self.course.fail(fault)
        else:
            self.course.answer(outcome)

    async def _perform(self, step: Step) -> Any:
        match step:
            case Send(call):
                return await self._send(call, stream=False)
            case Open(call):
                return await self._open(call)
            case Read():
                return await anext(self._pieces, b"") if self._pieces else b""
            case Pause(seconds):
                return await asyncio.sleep(seconds)
            case Work(work):
                return await _in_thread(work)
            case Show():
                raise TypeError("this operation is to be iterated")

    async def _open(self, call: Call) -> httpx.Response:
        await self._close()
        self._answer = answer = await self._send(call, stream=True)
        if answer.is_success:
            self._pieces = answer.aiter_bytes()
        else:
            await answer.aread()
        return answer

    async def _send(self, call: Call, *, stream: bool) -> httpx.Response:
        request = self._http.build_request(
            call.method,
            call.url,
            params=call.params,
            headers=call.headers,
            json=call.body,
            content=call.content,
            timeout=call.timeout,
        )
        return await self._http.send(request, stream=stream, follow_redirects=call.follow_redirects)

    async def _close(self) -> None:
        if self._answer:
            await self._answer.aclose()
        self._answer, self._pieces = None, None


async def _in_thread(work: Callable[[], Any]) -> Any:
    """Waits for the end even if it is cancelled: what cleans up afterwards must be alone with the file."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise
