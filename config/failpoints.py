"""Failure points: named moments in the life of a job at which a test may have the process die, as by kill -9.
Unless `arm` was called, which the settings allow only with diagnostics, passing one costs a look into a dict."""

import os
import signal
from collections.abc import Iterable
from pathlib import Path

POINTS = (
    "submit:committing",  # the row is written, its transaction open
    "submit:committed",  # the row is there, nobody knows of it
    "submit:announcing",  # the same, in the thread that would ring the doorbell next
    "submit:announced",  # the doorbell is on its way, the client has no answer
    "claim:committing",
    "claim:committed",  # a lease, and nobody who works
    "generate:done",  # a result in memory
    "store:done",  # bytes that no row lists
    "conclude:committing",
    "conclude:committed",  # the job is final, nobody was told
)

_armed: dict[str, Path] = {}


def arm(points: Iterable[str], folder: Path) -> None:
    """Die at these points, once at each: a file of the point's name in `folder` says that it has happened, so
    that the process which comes next goes on."""
    _armed.update((point, folder / f"died-at-{point}") for point in points)


def failpoint(point: str) -> None:
    """Die here, if that is wanted and has not happened yet."""
    died = _armed.get(point)
    if died and not died.exists():
        died.parent.mkdir(parents=True, exist_ok=True)
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
