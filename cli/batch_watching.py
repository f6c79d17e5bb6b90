"""Following one batch to its end, also past an API that is being restarted."""

import sys
import time
from collections.abc import Callable
from typing import TypeVar

from cli.client import Api, Document, NoAnswer

Result = TypeVar("Result")

ENDED = ("completed", "failed", "cancelled", "expired")

_FIRST_S, _MOST_S = 0.2, 2.0
_PATIENCE_S = 120.0  # with a server that does not answer
_SAY_EVERY_S = 5.0


def follow_batch(api: Api, batch: Document, *, quiet: bool) -> Document:
    """Poll until the batch has ended, and return it as it then stands."""
    if quiet:
        return _poll(api, batch, lambda _: None)
    return _with_bar(api, batch) if sys.stderr.isatty() else _poll(api, batch, _Lines().say)


def patiently(act: Callable[[], Result]) -> Result:
    """Once more, and once more, while no server answers: it may be about to be started again."""
    give_up_at = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return act()
        except NoAnswer:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(_MOST_S)


def told(batch: Document) -> str:
    """A batch on one line."""
    counts = batch["request_counts"]
    done = f"{counts['completed']} done, {counts['failed']} failed of {counts['total']}"
    return f"{batch['id']}  {batch['status']:<11}  {done}"


def _poll(api: Api, batch: Document, say: Callable[[Document], None]) -> Document:
    pause_s, path = _FIRST_S, f"/openai/v1/batches/{batch['id']}"
    while batch["status"] not in ENDED:
        say(batch)
        time.sleep(pause_s)
        pause_s = min(_MOST_S, pause_s * 1.2)
        batch = patiently(lambda: api.get(path))
    say(batch)
    return batch


def _with_bar(api: Api, batch: Document) -> Document:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<11}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(batch["status"], total=None, failed="")

        def say(seen: Document) -> None:
            counts = seen["request_counts"]
            failed = f"{counts['failed']} failed" if counts["failed"] else ""
            done = counts["completed"] + counts["failed"]
            bar.update(task, description=seen["status"], total=counts["total"] or None, completed=done, failed=failed)

        return _poll(api, batch, say)


class _Lines:
    """For a log: a line now and then, and at each change of the status."""

    def __init__(self) -> None:
        self._status = ""
        self._at = 0.0

    def say(self, batch: Document) -> None:
        if batch["status"] != self._status or time.monotonic() - self._at > _SAY_EVERY_S:
            self._status, self._at = batch["status"], time.monotonic()
            print(told(batch), file=sys.stderr, flush=True)
