"""The job as every channel shows it: the JSON document of the public contract."""

from datetime import UTC, datetime
from typing import Any

from jobs.values import Attempt, Job, Output, Place, Progress, Status

Document = dict[str, Any]


def job_document(
    job: Job, progress: Progress | None = None, place: Place | None = None, *, now: datetime
) -> Document:
    """The contract's document. Progress counts only under the very change it was seen under, so nothing
    ever shows a finished job at 60 % or a second attempt with the first one's steps."""
    live = progress if progress and progress.seq == job.seq and job.status is Status.RUNNING else None
    done = job.status is Status.SUCCEEDED
    path = f"/v1/jobs/{job.id}"
    return {
        "id": job.id,
        "status": job.status.value,
        "model": job.model,
        "model_version": job.model_version,
        "priority": job.priority.word,
        "input": job.input,
        "metadata": job.metadata,
        "depends_on": list(job.needs),
        "group": job.lineage.group,
        "made_by": job.lineage.made_by,
        "alias": job.lineage.alias,
        "shadow_of": job.lineage.shadow_of,
        "replay_of": job.lineage.replay_of,
        "progress": shown_progress(job, progress),
        "step": job.steps if done else (live.step if live else 0),
        "steps": live.steps if live else job.steps,
        "preview_url": f"{path}/preview?step={live.preview}" if live and live.preview else None,
        "queue_position": place.position if place and job.status is Status.QUEUED else None,
        "eta_s": round(place.eta_s, 3) if place and place.eta_s is not None and not job.final else None,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "cancel_requested": job.cancel_requested,
        "outputs": [output_document(output) for output in job.outputs],
        "error": _error(job),
        "context": job.context,
        "created_at": timestamp(job.created_at),
        "started_at": timestamp(job.started_at),
        "finished_at": timestamp(job.finished_at),
        "timings": _timings(job, now),
        "cost": None,
        "cached": job.cached,
        "seq": job.seq,
        "urls": _urls(path),
    }


def shown_progress(job: Job, progress: Progress | None) -> float:
    """Progress counts only under the very change it was seen under, so nothing ever shows a finished job at 60 %."""
    if job.status is Status.RUNNING and progress and progress.seq == job.seq:
        return progress.fraction
    return 1.0 if job.status is Status.SUCCEEDED else 0.0


def output_document(output: Output) -> Document:
    return {
        "url": f"/v1/artifacts/{output.key}",
        "media_type": output.media_type,
        "bytes": output.bytes,
        "sha256": output.sha256,
        "width": output.width,
        "height": output.height,
        "duration_s": output.duration_s,
        "seed": output.seed,
    }


def attempt_document(attempt: Attempt) -> Document:
    error = attempt.error
    return {
        "number": attempt.number,
        "worker": attempt.worker,
        "started_at": timestamp(attempt.started_at),
        "finished_at": timestamp(attempt.finished_at),
        "outcome": attempt.outcome,
        "error": error and {"code": error.code, "message": error.message, "retryable": error.retryable},
        "details": attempt.details,
    }


def timestamp(moment: datetime | None) -> str | None:
    """RFC 3339, UTC, always with microseconds."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def _urls(path: str) -> Document:
    return {"self": path, "events": f"{path}/events", "cancel": f"{path}/cancel", "retry": f"{path}/retry"}


def _error(job: Job) -> Document | None:
    if job.error is None:
        return None
    return {"code": job.error.code, "message": job.error.message, "retryable": job.error.retryable}


def _timings(job: Job, now: datetime) -> Document:
    waited_until = job.started_at or job.finished_at or now
    return {
        "queued_s": _seconds(job.created_at, waited_until),
        "load_s": job.load_s,
        "run_s": job.run_s,
        "total_s": _seconds(job.created_at, job.finished_at or now),
    }


def _seconds(start: datetime, end: datetime) -> float:
    """Never negative: the two moments may come from the clocks of two machines."""
    return max(0.0, round((end - start).total_seconds(), 6))
