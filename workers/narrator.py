"""Tells Flower the truth. Celery's own events are about messages; these are about jobs: each job of a batch
appears under its own id, with its own state and runtime."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from celery import Celery

from jobs.values import Job, Status
from storage.bus import Errands

_TASK = "safelight.job"
_EVENTS = {
    Status.SUCCEEDED: "task-succeeded",
    Status.FAILED: "task-failed",
    Status.QUEUED: "task-retried",
    Status.CANCELED: "task-revoked",
}

_GATHER_S = 0.1  # a message of its own for each event would cost more than many a job
_MOST = 10_000

_Event = tuple[str, str, dict[str, Any]]  # whose, of which type, and what it says


def celery_name(worker: str) -> str:
    """A worker's name as Celery and Flower know it."""
    return f"worker@{worker}"


class Narrator:
    """Sends task events for jobs in the background, many in a message; nothing waits for Flower."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._untold: deque[_Event] = deque(maxlen=_MOST)
        self._asked = False  # somebody will look at what is untold
        self._closing = threading.Event()
        self._errands = Errands("narrator")

    def started(self, jobs: Sequence[Job]) -> None:
        at = time.time()
        for job in jobs:
            shown = {
                "name": f"{_TASK}:{job.model}",
                "args": "()",
                "kwargs": _shown(job),
                "retries": job.attempt - 1,
            }
            self._send("task-received", job, at, shown | {"eta": None, "expires": None})
            self._send("task-started", job, at, {})

    def ended(self, job: Job, run_s: float) -> None:
        at = time.time()
        event = _EVENTS.get(job.status)
        if event == "task-succeeded":
            result = ", ".join(output.key for output in job.outputs)
            self._send(event, job, at, {"result": result, "runtime": run_s})
        elif event == "task-revoked":
            self._send(event, job, at, {"terminated": False, "signum": None, "expired": False})
        elif event:
            error = f"{job.error.code}: {job.error.message}" if job.error else ""
            self._send(event, job, at, {"exception": error, "traceback": ""})

    def close(self) -> None:
        """Tell what is untold, for a little while."""
        self._closing.set()
        self._errands.close(_GATHER_S * 5)

    def _send(self, event: str, job: Job, at: float, fields: dict[str, Any]) -> None:
        said = {"uuid": job.id, "timestamp": at, "local_received": at, **fields}
        self._untold.append((celery_name(job.worker or "nobody"), event, said))
        if not self._asked:
            self._asked = True
            self._errands.add(self._tell)

    def _tell(self) -> None:
        """A message for each worker's events: one, nearly always."""
        self._closing.wait(_GATHER_S)
        self._asked = False
        by_worker: dict[str, list[_Event]] = {}
        while self._untold:
            event = self._untold.popleft()
            by_worker.setdefault(event[0], []).append(event)
        for worker, events in by_worker.items():
            self._publish(worker, events)

    def _publish(self, worker: str, events: Sequence[_Event]) -> None:
        together = {"buffer_group": {"task"}, "buffer_limit": _MOST + 1, "buffer_while_offline": False}
        with (
            self._app.amqp.producer_pool.acquire(block=True, timeout=5) as producer,
            self._app.events.Dispatcher(
                producer.connection, worker, channel=producer.channel, **together
            ) as dispatcher,
        ):
            for _, kind, said in events:
                dispatcher.send(kind, **said)
            dispatcher.flush(errors=False)


def _shown(job: Job) -> str:
    prompt = str(job.input.get("prompt", ""))
    return f"model={job.model}@{job.model_version} prompt={prompt[:200]!r}"
