"""Clients, workers and couriers at one database, for tests of what is announced and delivered."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import update

from jobs import lifecycle
from jobs.deliveries import Delivery
from jobs.identity import new_job_id
from jobs.lifecycle import Change
from jobs.values import Event, Fault, Job, Priority, Submission, Webhook
from storage.claiming.claims import Claims, Ending
from storage.engine import Database
from storage.jobs.store import JobStore
from storage.tables import DELIVERIES
from storage.webhooks.deliveries import Deliveries

BOTH = Webhook("http://hooks.example/hook?token=t", (Event.STARTED, Event.COMPLETED))

DONE = Webhook("http://hooks.example/hook", (Event.COMPLETED,))

GONE_WRONG = Fault("model_error", "It broke.", retryable=False)


class House:
    """Clients, workers and couriers at one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = JobStore(database)
        self.claims = Claims(database)
        self.deliveries = Deliveries(database)

    def submit(self, webhook: Webhook | None = BOTH, **given: Any) -> str:
        which = (new_job_id(), "default", "default", "scenes", "1", Priority.INTERACTIVE)
        wanted = replace(Submission(*which, {"prompt": "ä"}, {"mine": 1}, "k", 1, 8, 3), webhook=webhook, **given)
        self.store.submit([wanted])
        return wanted.id

    def claim(self, room: int = 0) -> list[Job]:
        return self.claims.claim("default", "worker-0", 60.0, lambda _: room)

    def run(self, job_id: str, ending: Callable[[Job, datetime], Change]) -> None:
        """The job, claimed and brought to that end."""
        (job,) = self.claim()
        assert job.id == job_id
        assert self.claims.conclude([Ending(job.id, job.fence, ending)])[0] is not None

    def succeeded(self, webhook: Webhook | None = DONE, **given: Any) -> str:
        job_id = self.submit(webhook, **given)
        self.run(job_id, succeed)
        return job_id

    def listed(self, **chosen: Any) -> list[Delivery]:
        return self.deliveries.list("default", **chosen)

    def events(self, job_id: str) -> list[str]:
        """What was announced of a job, oldest first."""
        return [one.event.value for one in reversed(self.listed(job_id=job_id))]

    def rewrite(self, delivery_id: str, **values: Any) -> None:
        with self.database.writing() as connection:
            connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == delivery_id).values(values))


def succeed(job: Job, now: datetime) -> Change:
    return lifecycle.succeed(job, [], now)


def fail(job: Job, now: datetime) -> Change:
    return lifecycle.fail(job, GONE_WRONG, now)
