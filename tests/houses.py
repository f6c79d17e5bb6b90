"""The two sides of one database, for tests of the store: clients that submit, and workers that claim."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from jobs import lifecycle
from jobs.identity import new_job_id
from jobs.lifecycle import Change
from jobs.values import Fault, Job, Output, Priority, Submission
from storage.claiming.claims import Claims, Ending
from storage.engine import Database
from storage.jobs.store import JobStore

PICTURE = Output("ab.png", "ab", "image/png", 7, 16, 8, None, 3)
BROKEN = Fault("model_error", "It broke.", retryable=True)


def succeed(job: Job, now: datetime) -> Change:
    return lifecycle.succeed(job, [PICTURE], now)


class House:
    """The two sides of one database: what clients submit, and what workers do with it."""

    def __init__(self, database: Database) -> None:
        self.store = JobStore(database)
        self.claims = Claims(database)

    def wanted(self, **given: Any) -> Submission:
        """Of tenant, queue, model and version; of batch key "k"; one output in 8 steps; in 3 attempts."""
        which = (new_job_id(), "default", "default", "scenes", "1", Priority.INTERACTIVE)
        return replace(Submission(*which, {"prompt": "a"}, {}, "k", 1, 8, 3), **given)

    def submit(self, **given: Any) -> str:
        wanted = self.wanted(**given)
        self.store.submit([wanted])
        return wanted.id

    def claim(self, room: int = 0, worker: str = "worker-0", lease_s: float = 60.0) -> list[Job]:
        return self.claims.claim("default", worker, lease_s, lambda _: room)

    def claim_one(self, worker: str = "worker-0", lease_s: float = 60.0) -> Job:
        (job,) = self.claim(0, worker, lease_s)
        return job

    def fail(self, job: Job) -> Job | None:
        return self.conclude(job, lambda current, now: lifecycle.fail(current, BROKEN, now))

    def succeed(self, job: Job) -> Job | None:
        return self.conclude(job, succeed)

    def hand_back(self, job: Job) -> Job | None:
        return self.conclude(job, lifecycle.hand_back)

    def conclude(self, job: Job, change: Callable[[Job, datetime], Change]) -> Job | None:
        """What the holder of the job as it was claimed says of its end."""
        return self.claims.conclude([Ending(job.id, job.fence, change)])[0]

    def tried_before(self, **given: Any) -> str:
        """A job that failed once and, without waiting for its back-off, is claimable again."""
        job_id = self.submit(**given)
        assert self.fail(self.claim_one()) is not None
        self.again(job_id)
        return job_id

    def again(self, job_id: str) -> None:
        self.store.cancel(job_id)
        self.store.retry(job_id)
