"""Failure points: named moments in the life of a job at which a test may have the process die, as by kill -9, or
freeze. Unless `arm` was called, which the settings allow only with diagnostics, one costs a look into a dict."""

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
    "fetch:stored",  # an input that was fetched, and no row that says so
    "fetch:committed",  # it is there, and who waits for it does not know
    "batch:taking",  # jobs of a batch's lines are written, their transaction open
    "batch:taken",  # they are there, nobody knows of them
    "batch:settling",
    "batch:written",  # results that no row names
    "batch:finishing",
    "batch:finished",
    "schedule:committing",  # a tick's job is written, and that the tick is over; neither is committed
    "schedule:committed",
    "file:committing",  # the job of a file in a watched folder is written, and that the file has fired; likewise
    "file:committed",
)

_armed: dict[str, tuple[signal.Signals, Path]] = {}


def arm(dying: Iterable[str], freezing: Iterable[str], folder: Path) -> None:
    """Die, or freeze, at these points, once at each: a file in `folder` says that it has happened, so that the
    process which comes next goes on."""
    _armed.update((point, (signal.SIGKILL, folder / f"died-at-{point}")) for point in dying)
    _armed.update((point, (signal.SIGSTOP, folder / f"froze-at-{point}")) for point in freezing)


def failpoint(point: str) -> None:
    """Die or freeze here, if that is wanted and has not happened yet."""
    if armed := _armed.get(point):
        number, happened = armed
        if not happened.exists():
            happened.parent.mkdir(parents=True, exist_ok=True)
            happened.touch()
            os.kill(os.getpid(), number)
