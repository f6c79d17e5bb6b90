"""Tells Flower the truth. Celery's own events are about messages; these are about jobs: each job of a batch
appears under its own id, with its own state and runtime."""

import time
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


def celery_name(worker: str) -> str:
    """A worker's name as Celery and Flower know it."""
    return f"worker@{worker}"


class Narrator:
    """Sends task events for jobs in the background; nothing waits for Flower."""

    def __init__(self, app: Celery, errands: Errands) -> None:
        self._app = app
        self._errands = errands

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

    def _send(self, event: str, job: Job, at: float, fields: dict[str, Any]) -> None:
        def errand() -> None:
            with self._app.events.default_dispatcher(hostname=celery_name(job.worker or "nobody")) as dispatcher:
                dispatcher.send(event, uuid=job.id, timestamp=at, local_received=at, **fields)

        self._errands.add(errand)


def _shown(job: Job) -> str:
    prompt = str(job.input.get("prompt", ""))
    return f"model={job.model}@{job.model_version} prompt={prompt[:200]!r}"
