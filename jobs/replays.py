"""Doing a job's work again: to see whether the same comes out. Pure, as the lifecycle is."""

from jobs.errors import Conflict
from jobs.values import Job, Lineage, Status, Submission


def replay(job: Job, job_id: str, max_attempts: int) -> Submission:
    """The same work on the same version, alone in a batch of as many rows as the original's had. Of a replay, the
    original again.

    Raises:
        Conflict: it has no result, or nobody has written down how that was made.
    """
    if job.status is not Status.SUCCEEDED:
        raise Conflict(f"A job that is {job.status} has no result to make again.")
    if not job.context or "rows" not in job.context:
        raise Conflict("How this job's result was made is not known.")
    lineage = Lineage(replay_of=job.lineage.replay_of or job.id, rows=int(job.context["rows"]))
    return Submission(
        id=job_id,
        tenant=job.tenant,
        queue=job.queue,
        model=job.model,
        model_version=job.model_version,
        priority=job.priority,
        input=job.input,
        metadata={},
        batch_key=None,
        units=job.units,
        steps=job.steps,
        max_attempts=max_attempts,
        work=job.work,
        lineage=lineage,
    )
