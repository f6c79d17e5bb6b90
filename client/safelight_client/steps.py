"""What the logic asks of the outside. An operation is a generator that yields these steps, is sent their
outcomes, and has their faults (`httpx.RequestError`) thrown in; whether they block or are awaited is the
business of `client` and `async_client` alone."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import httpx

from safelight_client.calls import Call
from safelight_client.values import Job

T = TypeVar("T")


@dataclass(frozen=True)
class Send:
    """Send a call. Outcome: its `httpx.Response`, read whole."""

    call: Call


@dataclass(frozen=True)
class Open:
    """Send a call. Outcome: its `httpx.Response`; a success leaves the body to be read piece by piece."""

    call: Call


@dataclass(frozen=True)
class Read:
    """Outcome: the next bytes of the open body, empty at its end."""


@dataclass(frozen=True)
class Pause:
    """Let this many seconds pass."""

    seconds: float


@dataclass(frozen=True)
class Work:
    """Do something that may block, such as writing a file. Outcome: what it returns."""

    work: Callable[[], Any]


@dataclass(frozen=True)
class Show:
    """Hand a job to the caller, who iterates."""

    job: Job


Step = Send | Open | Read | Pause | Work | Show
Steps = Generator[Step, Any, T]


class Course(Generic[T]):
    """An operation on its way: the step it asks for, and in the end its result."""

    def __init__(self, steps: Steps[T]) -> None:
        self._steps = steps
        self.done = False
        self.step: Step
        self.result: T
        self._go_on(lambda: next(steps))

    def answer(self, outcome: Any) -> None:
        self._go_on(lambda: self._steps.send(outcome))

    def fail(self, fault: httpx.RequestError) -> None:
        self._go_on(lambda: self._steps.throw(fault))

    def close(self) -> None:
        self._steps.close()

    def _go_on(self, move: Callable[[], Step]) -> None:
        try:
            self.step = move()
        except StopIteration as end:
            self.result = end.value
            self.done = True
