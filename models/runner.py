"""What every model can do, whatever it is made of: generate media for a batch of requests, step by step."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from jobs.errors import ModelFault


@dataclass(frozen=True, slots=True)
class Attachment:
    """A media input that was resolved: the file with its bytes. Nobody has looked into it yet."""

    path: Path
    media_type: str


@dataclass(frozen=True, slots=True)
class Request:
    """One job's share of a batch. `input` has every default filled in; the seed is always known. For an input that
    is media `input` has the reference, as the client gave it, and `media` the file."""

    input: Mapping[str, Any]
    seed: int
    attempt: int
    media: Mapping[str, Attachment] = field(default_factory=dict)  # by the name of the input


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

Previews = Mapping[int, bytes]  # a request's place in the batch -> a small JPEG of its first picture, so far
NO_PREVIEWS: Previews = MappingProxyType({})


class Watch(Protocol):
    """Whom a runner tells how far it is. `step` and `pulse` may raise Interrupted: nobody waits for the batch
    any more."""

    def viewers(self) -> Collection[int]:
        """The places in the batch of those requests that somebody looks at now. Asked before each `step`;
        only these want previews, and not more often than they are named here."""

    def step(self, step: int, steps: int, previews: Previews = NO_PREVIEWS) -> None:
        """Step `step` of `steps` is done."""

    def pulse(self) -> None:
        """Still alive, within a step."""


class Unwatched:
    """The watch over a run that nobody waits for: a warm-up, a measurement."""

    def viewers(self) -> Collection[int]:
        return ()

    def step(self, step: int, steps: int, previews: Previews = NO_PREVIEWS) -> None:
        return None

    def pulse(self) -> None:
        return None


class Runner(Protocol):
    """A model in memory, ready to run. Not thread-safe."""

    def generate(self, requests: Sequence[Request], watch: Watch, rows: int = 0) -> list[Result]:
        """One result for each request, in order: its media, or the fault that is its own. A batch of fewer
        outputs than `rows` is filled up to that size with rows that nobody gets.

        Raises:
            Interrupted: the watch said so; the runner stays usable.
            ModelFault: the whole batch failed.
        """
