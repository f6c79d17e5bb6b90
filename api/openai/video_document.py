"""A job as the `openai` client shows a video."""

from typing import Any

from api.context import Context
from jobs.document import shown_progress
from jobs.values import Job, Status

# The client waits while it reads one of the first two, and knows no word for a canceled one.
_STATUSES = {
    Status.WAITING: "queued",
    Status.QUEUED: "queued",
    Status.RUNNING: "in_progress",
    Status.SUCCEEDED: "completed",
    Status.FAILED: "failed",
    Status.CANCELED: "failed",
    Status.EXPIRED: "failed",
}


def video_document(job: Job, context: Context) -> dict[str, Any]:
    """The document. `seconds` and `size` are those of the film once it is there, before that those asked for."""
    view = context.follower.view(job)
    return {
        "id": job.id,
        "object": "video",
        "model": job.model,
        "status": _STATUSES[job.status],
        "progress": int(100 * shown_progress(job, view.progress)),
        "created_at": int(job.created_at.timestamp()),
        "completed_at": int(job.finished_at.timestamp()) if job.finished_at else None,
        "expires_at": None,
        "seconds": _seconds(job),
        "size": _size(job),
        "prompt": job.input.get("prompt"),
        "remixed_from_video_id": None,
        "error": _error(job),
    }


def _seconds(job: Job) -> str:
    made = job.outputs[0].duration_s if job.outputs else None
    seconds = job.input.get("seconds") if made is None else made
    return "" if seconds is None else f"{seconds:g}"


def _size(job: Job) -> str:
    if job.outputs and job.outputs[0].width:
        return f"{job.outputs[0].width}x{job.outputs[0].height}"
    width, height = job.input.get("width"), job.input.get("height")
    return f"{width}x{height}" if width and height else "auto"


def _error(job: Job) -> dict[str, Any] | None:
    if job.status is Status.CANCELED:
        return {"code": "cancelled", "message": "The job was canceled."}
    if job.status is Status.EXPIRED:
        return {"code": "expired", "message": "The job was not started by its deadline."}
    if job.status is Status.FAILED and job.error:
        return {"code": job.error.code, "message": job.error.message}
    return None
