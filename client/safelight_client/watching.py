"""Following one job to its end: over server-sent events, or by long polls where there are none."""

import json
from typing import Any

import httpx

from safelight_client.calls import Calls
from safelight_client.errors import UnexpectedAnswer, problem_of
from safelight_client.event_stream import Event, EventDecoder
from safelight_client.exchange import ask_for_job, pause_after, pause_after_problem, read_job
from safelight_client.patience import Patience
from safelight_client.steps import Open, Pause, Read, Show, Steps
from safelight_client.values import Job

_WAIT_S = 25.0
_LOOK_S = 1.0  # progress alone ends no long poll, so a running job is looked at this often
_NO_STREAM = frozenset({404, 405, 406, 501})


class Sight:
    """What the caller saw last; says what is news. Neither `seq` nor, under one `seq`, progress goes back."""

    def __init__(self, known: Job | None = None) -> None:
        self._floor = (known.seq, known.progress) if known else (0, 0.0)
        self._view: dict[str, Any] | None = None
        self.seq: int | None = None
        self.status = ""
        self.final = False

    def admit(self, job: Job) -> bool:
        """Whether to show it. Timings of a waiting job always move and are no news by themselves."""
        at = (job.seq, job.progress)
        view = {name: value for name, value in job.raw.items() if name != "timings"}
        if at < self._floor or view == self._view:
            return False
        self._floor, self._view = at, view
        self.seq, self.status, self.final = job.seq, job.status, job.final
        return True


class Watch:
    """One job being watched."""

    def __init__(self, calls: Calls, job_id: str, known: Job | None, patience: Patience) -> None:
        self._calls = calls
        self._job_id = job_id
        self._sight = Sight(known)
        self._patience = patience
        self._decoder = EventDecoder()

    def follow(self) -> Steps[None]:
        """Show the job's present state, then every later one; ends with a final one.

        Raises:
            NotFound: there is no such job, or it was deleted meanwhile.
            Unreachable: the server stayed away for longer than patience lasts.
        """
        streaming = True
        while not self._sight.final:
            if streaming:
                streaming = yield from self._stream()
            else:
                yield from self._poll()

    def _stream(self) -> Steps[bool]:
        """One connection, as far as it carries. Returns whether to open another one after it."""
        call = self._calls.events(self._job_id, self._decoder.last_id)
        heard = False
        try:
            answer: httpx.Response = yield Open(call)
            if answer.status_code in _NO_STREAM:
                return False
            if not answer.is_success:
                yield from pause_after_problem(problem_of(answer), call, self._patience)
                return True
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                return False
            self._decoder.restart()
            while not self._sight.final and (piece := (yield Read())):
                heard = True
                self._patience.renew()
                yield from self._show(self._decoder.feed(piece))
        except httpx.ReadTimeout as silence:
            if not heard:  # something on the way holds streams back
                return False
            yield from pause_after(silence, call, self._patience)
        except httpx.RequestError as fault:
            yield from pause_after(fault, call, self._patience)
        else:
            return self._sight.final or (yield from self._pause())
        return True

    def _pause(self) -> Steps[bool]:
        """After a stream that was ended from the other side. False when many in a row brought nothing."""
        pause = self._patience.pause()
        if pause is not None:
            yield Pause(pause)
        return pause is not None

    def _show(self, events: list[Event]) -> Steps[None]:
        for event in events:
            if event.name != "job":
                continue
            try:
                job = read_job(json.loads(event.data))
            except json.JSONDecodeError as fault:
                raise UnexpectedAnswer("an event does not hold JSON") from fault
            if self._sight.admit(job):
                yield Show(job)

    def _poll(self) -> Steps[None]:
        wait_s = 0.0 if self._sight.seq is None else _LOOK_S if self._sight.status == "running" else _WAIT_S
        job = yield from ask_for_job(self._calls.get(self._job_id, wait_s, self._sight.seq), self._patience)
        self._patience.renew()
        if self._sight.admit(job):
            yield Show(job)
