"""A job as a prediction: the JSON document of Replicate's clients, in answers and in webhooks."""

from collections.abc import Sequence

from jobs.document import Document, timestamp
from jobs.values import Job, Progress, Status

OWNER = "safelight"
STARTING = "starting"

# Their clients know these five words and refuse any other.
_STATUSES = {
    Status.WAITING: STARTING,
    Status.QUEUED: STARTING,
    Status.RUNNING: "processing",
    Status.SUCCEEDED: "succeeded",
    Status.FAILED: "failed",
    Status.CANCELED: "canceled",
    Status.EXPIRED: "canceled",
}
_BAR = 10


def prediction_document(
    job: Job, origin: str, progress: Progress | None = None, outputs: Sequence[str] | None = None
) -> Document:
    """The document. `origin` stands before our addresses, such as http://127.0.0.1:8000; `outputs` in place of the
    addresses of outputs."""
    path = f"{origin}/replicate/v1/predictions/{job.id}"
    shown = outputs if outputs is not None else [f"{origin}/v1/artifacts/{output.key}" for output in job.outputs]
    return {
        "id": job.id,
        "model": f"{OWNER}/{job.model}",
        "version": f"{job.model}@{job.model_version}",
        "status": _STATUSES[job.status],
        "input": job.input,
        "output": list(shown) if job.status is Status.SUCCEEDED else None,
        "logs": "\n".join(log_lines(job, progress)),
        "error": _error(job),
        "metrics": {"predict_time": job.run_s} if job.run_s is not None else {},
        "created_at": timestamp(job.created_at),
        "started_at": timestamp(job.started_at),
        "completed_at": timestamp(job.finished_at),
        "data_removed": False,
        "urls": {"get": path, "cancel": f"{path}/cancel", "stream": f"{path}/stream"},
    }


def log_lines(job: Job, progress: Progress | None = None) -> list[str]:
    """How far the job is, as tqdm would show it: their clients read the percentage out of that."""
    if job.started_at is None:
        return []
    seed = job.input.get("seed")
    lines = [] if seed is None else [f"Using seed: {seed}"]
    if job.status is Status.SUCCEEDED:
        return [*lines, _bar(max(1, job.steps), max(1, job.steps))]
    if job.status is Status.RUNNING and progress and progress.seq == job.seq and progress.steps > 0:
        return [*lines, _bar(min(progress.step, progress.steps), progress.steps)]
    return lines


def _bar(step: int, steps: int) -> str:
    filled = _BAR * step // steps
    return f"{100 * step // steps:3d}%|{'█' * filled}{' ' * (_BAR - filled)}| {step}/{steps}"


def _error(job: Job) -> str | None:
    if job.status is Status.FAILED and job.error:
        return job.error.message
    return "It was not started by its deadline." if job.status is Status.EXPIRED else None
