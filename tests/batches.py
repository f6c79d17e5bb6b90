"""Jobs that fit into one batch, and their good endings, for tests of the store."""

from typing import Any

from jobs import lifecycle
from jobs.identity import new_job_id
from jobs.values import Output, Priority, Submission
from storage.claiming.claims import Ending


def submission(**given: Any) -> Submission:
    values: dict[str, Any] = {
        "id": new_job_id(),
        "tenant": "t",
        "queue": "gpu",
        "model": "m",
        "model_version": "1",
        "priority": Priority.BATCH,
        "input": {"prompt": "x"},
        "metadata": {},
        "batch_key": "k",
        "units": 1,
        "steps": 8,
        "max_attempts": 3,
    }
    return Submission(**values | given)


def success(job_id: str, fence: int) -> Ending:
    output = Output(f"{job_id}.png", "ab", "image/png", 7, 16, 8, None, 3)
    return Ending(job_id, fence, lambda job, now: lifecycle.succeed(job, [output], now), [output.key])
