"""What every model can do, whatever it is made of: generate media for a batch of requests, step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from jobs.errors import ModelFault


@dataclass(frozen=True, slots=True)
class Request:
    """One job's share of a batch. `input` has every default filled in; the seed is always known."""

    input: Mapping[str, Any]
    seed: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Media:
    """One finished piece of media, encoded. Sizes in pixels, duration in seconds."""

    data: bytes
    media_type: str
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    seed: int | None = None


Result = list[Media] | ModelFault


class Watch(Protocol):
    """Whom a runner tells how far it is. Both may raise Interrupted: nobody waits for the batch any more."""

    def step(self, step: int, steps: int) -> None:
        """Step `step` of `steps` is done."""

    def pulse(self) -> None:
        """Still alive, within a step."""


class Runner(Protocol):
    """A model in memory, ready to run. Not thread-safe."""

    def generate(self, requests: Sequence[Request], watch: Watch) -> list[Result]:
        """One result for each request, in order: its media, or the fault that is its own.

        Raises:
            Interrupted: the watch said so; the runner stays usable.
            ModelFault: the whole batch failed.
        """
