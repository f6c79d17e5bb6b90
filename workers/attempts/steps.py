"""The runner's watch over one run: at each step it asks the lease, passes progress and previews on, and learns
in the background who looks. Nothing here waits for the broker."""

import time
from collections.abc import Collection, Sequence
from typing import Self

from jobs.values import Job, Progress
from models.runner import NO_PREVIEWS, Previews
from storage.bus import Bus
from storage.media.previews import PreviewWriter
from workers.attempts.lease import Lease

_PROGRESS_EVERY_S = 0.1
_ASK_EVERY_S = 0.5
_ANSWER_GOOD_S = 2.0  # a broker that stops answering ends the previews


class Steps:
    """Open while the runner runs. A member of the batch that is not wanted any more is told nothing of."""

    def __init__(self, bus: Bus, previews: PreviewWriter, jobs: Sequence[Job], lease: Lease) -> None:
        self._bus, self._previews, self._jobs, self._lease = bus, previews, jobs, lease
        self._ids = [job.id for job in jobs]
        self._told_at = self._ask_at = 0.0
        self._watched: tuple[set[str], float] = set(), 0.0  # and until when that is good
        self._shown: dict[str, int] = {}  # the step of each job's newest preview

    def __enter__(self) -> Self:
        self._ask(time.monotonic())
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._previews.fade(list(self._shown))

    def viewers(self) -> Collection[int]:
        now = time.monotonic()
        if now >= self._ask_at:
            self._ask(now)
        watched, until = self._watched
        if not watched or now > until:
            return ()
        return [place for place, one in enumerate(self._ids) if one in watched and self._lease.wants(one)]

    def step(self, step: int, steps: int, previews: Previews = NO_PREVIEWS) -> None:
        self._lease.confirm()
        for place, jpeg in previews.items():
            self._previews.put(self._ids[place], jpeg)  # first: who is told of it finds it there
            self._shown[self._ids[place]] = step
        now = time.monotonic()
        if now - self._told_at < _PROGRESS_EVERY_S and step < steps and not previews:
            return
        self._told_at = now
        wanted = [job for job in self._jobs if self._lease.wants(job.id)]
        self._bus.progress([Progress(job.id, job.seq, step, steps, self._shown.get(job.id)) for job in wanted])

    def pulse(self) -> None:
        self._lease.confirm()

    def _ask(self, now: float) -> None:
        self._ask_at = now + _ASK_EVERY_S
        self._previews.ask(self._ids, self._note)

    def _note(self, watched: set[str]) -> None:
        self._watched = watched, time.monotonic() + _ANSWER_GOOD_S
