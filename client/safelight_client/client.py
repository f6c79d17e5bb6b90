"""The blocking client. Logic lives in `operations`; this is its input and output, and the surface."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
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


class Safelight:
    """A client for one server; may be shared between threads.

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
        http: httpx.Client | None = None,
    ) -> None:
        self._operations = Operations(calls_to(url, key, timeout), patience, reconnect)
        self._http = http or httpx.Client(limits=httpx.Limits(max_connections=None))
        self._owns_http = http is None

    def __enter__(self) -> Safelight:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; iterators that are still open end with an error."""
        if self._owns_http:
            self._http.close()

    def submit(
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
        return self._run(self._operations.submit(model, input, options, idempotency_key))

    def run(
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
        return self._run(self._operations.run(self._operations.submit(model, input, options), timeout, check))

    def get(self, job: Job | str) -> Job:
        """The job as it stands now."""
        return self._run(self._operations.get(job))

    def list(
        self,
        *,
        status: Status | Sequence[Status] | None = None,
        model: str | None = None,
        since: datetime | str | None = None,
        limit: int | None = None,
    ) -> Iterator[Job]:
        """Jobs, newest first, all of them or `limit`. `since`: a moment, or an age such as `1h`."""
        return self._iterate(self._operations.list(status, model, since, limit))

    def wait(self, job: Job | str, timeout: float | None = None) -> Job:
        """The job once it is finished, in whichever way.

        Raises:
            WaitTimeout: it was not, after `timeout` seconds.
        """
        return self._run(self._operations.wait(job, timeout))

    def watch(self, job: Job | str) -> Generator[Job, None, None]:
        """The job as it stands, then again at every change, up to its final state. Dropped connections are
        made anew; `seq` never goes back, nor does progress under one `seq`."""
        return self._iterate(self._operations.watch(job))

    @overload
    def download(self, output: Output) -> bytes: ...

    @overload
    def download(self, output: Output, path: str | os.PathLike[str]) -> Path: ...

    def download(self, output: Output, path: str | os.PathLike[str] | None = None) -> bytes | Path:
        """The artifact's bytes, or the file they were written to (in a folder: under the artifact's own name).

        Raises:
            CorruptDownload: the bytes are not those the job lists; no file was made.
        """
        if path is None:
            return self._run(self._operations.read(output))
        return self._run(self._operations.save(output, path))

    def cancel(self, job: Job | str) -> Job:
        """Ask for the job to stop; a running one does at its next step."""
        return self._run(self._operations.cancel(job))

    def retry(self, job: Job | str) -> Job:
        """Queue a failed, canceled or expired job again. Raises: Conflict, for any other."""
        return self._run(self._operations.retry(job))

    def delete(self, job: Job | str) -> None:
        """Forget a finished job and its artifacts. Raises: Conflict, when it is not finished."""
        self._run(self._operations.delete(job))

    def submit_group(self, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Group:
        """Submit several jobs as one: `members` or `fan_out`, `join` and what else POST /v1/groups takes.

        Raises:
            InvalidInput: naming each field that is wrong; then nothing of it was accepted.
        """
        return self._run(self._operations.submit_group(body, idempotency_key))

    def get_group(self, group: Group | str) -> Group:
        """The group as it stands now."""
        return self._run(self._operations.get_group(group))

    def wait_group(self, group: Group | str, timeout: float | None = None) -> Group:
        """The group once its last member is over. Raises: WaitTimeout, after `timeout` seconds."""
        return self._run(self._operations.wait_group(group, timeout))

    def cancel_group(self, group: Group | str) -> Group:
        """Cancel all members that are not over."""
        return self._run(self._operations.cancel_group(group))

    def upload(self, source: bytes | str | os.PathLike[str]) -> str:
        """Bring a picture, a sound or a film, a file or its bytes; what comes back goes into the input of jobs.

        Raises:
            InvalidInput: it is none of what the server takes.
        """
        return self._run(self._operations.upload(source))

    def models(self) -> Sequence[Model]:
        """What the server can generate with."""
        return self._run(self._operations.models())

    def stats(self) -> Mapping[str, Any]:
        """The server's figures: queue depth, waits, throughput."""
        return self._run(self._operations.stats())

    def _run(self, steps: Steps[T]) -> T:
        with _Walk(self._http, steps) as walk:
            while not walk.course.done:
                walk.advance()
        return walk.course.result

    def _iterate(self, steps: Steps[None]) -> Generator[Job, None, None]:
        with _Walk(self._http, steps) as walk:
            while not walk.course.done:
                if isinstance(walk.course.step, Show):
                    yield walk.course.step.job
                    walk.course.answer(None)
                else:
                    walk.advance()


class _Walk(Generic[T]):
    """One operation under way: carries out its steps; holds at most one open body."""

    def __init__(self, http: httpx.Client, steps: Steps[T]) -> None:
        self._http = http
        self._answer: httpx.Response | None = None
        self._pieces: Iterator[bytes] = iter(())
        self.course = Course(steps)

    def __enter__(self) -> _Walk[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self.course.close()

    def advance(self) -> None:
        try:
            outcome = self._perform(self.course.step)
        except httpx.RequestError as fault:
            self._close()
            self.course.fail(fault)
        else:
            self.course.answer(outcome)

    def _perform(self, step: Step) -> Any:
        match step:
            case Send(call):
                return self._send(call, stream=False)
            case Open(call):
                return self._open(call)
            case Read():
                return next(self._pieces, b"")
            case Pause(seconds):
                return time.sleep(seconds)
            case Work(work):
                return work()
            case Show():
                raise TypeError("this operation is to be iterated")

    def _open(self, call: Call) -> httpx.Response:
        self._close()
        self._answer = answer = self._send(call, stream=True)
        if answer.is_success:
            self._pieces = answer.iter_bytes()
        else:
            answer.read()
        return answer

    def _send(self, call: Call, *, stream: bool) -> httpx.Response:
        request = self._http.build_request(
            call.method,
            call.url,
            params=call.params,
            headers=call.headers,
            json=call.body,
            content=call.content,
            timeout=call.timeout,
        )
        return self._http.send(request, stream=stream, follow_redirects=call.follow_redirects)

    def _close(self) -> None:
        if self._answer:
            self._answer.close()
        self._answer, self._pieces = None, iter(())
