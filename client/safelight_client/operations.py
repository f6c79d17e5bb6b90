"""What a client can do, as steps: all of the logic, none of the input and output."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from safelight_client.calls import Calls, JobOptions, id_of, job_body, job_headers, moment_text
from safelight_client.downloading import MemorySink, download, file_sink
from safelight_client.errors import JobFailed, NotFound, UnexpectedAnswer, WaitTimeout
from safelight_client.exchange import ask_for_document, ask_for_group, ask_for_job, exchange, read_job
from safelight_client.patience import Patience
from safelight_client.steps import Show, Steps, Work
from safelight_client.values import Group, Job, Model, Output, Status, model_of
from safelight_client.watching import Watch

_PAGE_MOST = 200
_WAIT_MOST_S = 30.0

Waited = TypeVar("Waited", Job, Group)


class Operations:
    """The operations on one server. `patience_s`: how long a call goes on trying while the server is away;
    `reconnect_s`: the same for what waits and watches."""

    def __init__(self, calls: Calls, patience_s: float, reconnect_s: float) -> None:
        self._calls = calls
        self._patience_s = patience_s
        self._reconnect_s = reconnect_s

    def submit(
        self, model: str, given: Mapping[str, Any] | None, options: JobOptions, key: str | None = None
    ) -> Steps[Job]:
        """All sendings carry one key, so however many of them arrive, there is one job."""
        headers = job_headers(options, key or str(uuid.uuid4()))
        call = self._calls.submit(job_body(model, given, options), headers)
        return ask_for_job(call, self._patience())

    def run(self, submit: Steps[Job], timeout: float | None, check: bool) -> Steps[Job]:
        accepted = yield from submit
        job = yield from self.wait(accepted, timeout)
        if check and not job.succeeded:
            raise JobFailed(job)
        return job

    def get(self, job: Job | str) -> Steps[Job]:
        return ask_for_job(self._calls.get(id_of(job)), self._patience())

    def list(
        self,
        status: Status | Sequence[Status] | None,
        model: str | None,
        since: datetime | str | None,
        limit: int | None,
    ) -> Steps[None]:
        """Show each job, page by page."""
        since = moment_text(since) if isinstance(since, datetime) else since
        filters = {"status": status, "model": model, "since": since}
        cursor, left = None, limit
        while left is None or left > 0:
            size = None if left is None else min(left, _PAGE_MOST)
            page = yield from ask_for_document(self._calls.page(filters, size, cursor), self._patience())
            for document in page.get("jobs", ()):
                yield Show(read_job(document))
            left = None if left is None else left - len(page.get("jobs", ()))
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def wait(self, job: Job | str, timeout: float | None) -> Steps[Job]:
        return self._wait(
            lambda wait_s, patience: ask_for_job(self._calls.get(id_of(job), wait_s), patience), timeout
        )

    def _wait(self, ask: Callable[[float, Patience], Steps[Waited]], timeout: float | None) -> Steps[Waited]:
        give_up_at = None if timeout is None else time.monotonic() + timeout
        patience = Patience(self._reconnect_s)
        while True:
            left = _WAIT_MOST_S if give_up_at is None else max(0.0, give_up_at - time.monotonic())
            now = yield from ask(min(left, _WAIT_MOST_S), patience)
            if now.final:
                return now
            if give_up_at is not None and time.monotonic() >= give_up_at:
                raise WaitTimeout(now)
            patience.renew()

    def watch(self, job: Job | str) -> Steps[None]:
        known = job if isinstance(job, Job) else None
        return Watch(self._calls, id_of(job), known, Patience(self._reconnect_s)).follow()

    def read(self, output: Output) -> Steps[bytes]:
        return download(self._calls.download(output), output, MemorySink(), self._patience())

    def save(self, output: Output, path: str | os.PathLike[str]) -> Steps[Path]:
        return download(self._calls.download(output), output, file_sink(output, path), self._patience())

    def cancel(self, job: Job | str) -> Steps[Job]:
        return ask_for_job(self._calls.cancel(id_of(job)), self._patience())

    def retry(self, job: Job | str) -> Steps[Job]:
        return ask_for_job(self._calls.retry(id_of(job)), self._patience())

    def delete(self, job: Job | str) -> Steps[None]:
        patience = self._patience()
        try:
            yield from exchange(self._calls.delete(id_of(job)), patience)
        except NotFound:
            if not patience.faults:  # else an earlier sending, whose answer was lost, has deleted it
                raise

    def submit_group(self, body: Mapping[str, Any], key: str | None) -> Steps[Group]:
        return ask_for_group(self._calls.submit_group(body, key or str(uuid.uuid4())), self._patience())

    def get_group(self, group: Group | str) -> Steps[Group]:
        return ask_for_group(self._calls.get_group(id_of(group)), self._patience())

    def wait_group(self, group: Group | str, timeout: float | None) -> Steps[Group]:
        def ask(wait_s: float, patience: Patience) -> Steps[Group]:
            return ask_for_group(self._calls.get_group(id_of(group), wait_s), patience)

        return self._wait(ask, timeout)

    def cancel_group(self, group: Group | str) -> Steps[Group]:
        return ask_for_group(self._calls.cancel_group(id_of(group)), self._patience())

    def upload(self, source: bytes | str | os.PathLike[str]) -> Steps[str]:
        """A sending that is repeated may leave an upload that nobody uses; the server forgets it."""
        content = source if isinstance(source, bytes) else (yield Work(Path(source).read_bytes))
        upload = yield from ask_for_document(self._calls.upload(content), self._patience())
        try:
            return str(upload["reference"])
        except KeyError as fault:
            raise UnexpectedAnswer("this is no upload") from fault

    def models(self) -> Steps[Sequence[Model]]:
        listed = yield from ask_for_document(self._calls.models(), self._patience())
        try:
            return tuple(model_of(document) for document in listed["models"])
        except (KeyError, TypeError) as fault:
            raise UnexpectedAnswer(f"this is no list of models: {fault!r}") from fault

    def stats(self) -> Steps[dict[str, Any]]:
        return ask_for_document(self._calls.stats(), self._patience())

    def _patience(self) -> Patience:
        return Patience(self._patience_s)
