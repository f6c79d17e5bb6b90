"""A worker that is told to stop just as it has claimed what is next."""

from pathlib import Path

import pytest

from config.settings import Settings
from jobs.identity import new_job_id
from jobs.values import Priority, Status, Submission
from tests.servers import running_broker
from workers.attempts.attempt import attempt
from workers.process import Worker


@pytest.mark.parametrize("model", ["noop", "scenes"])
def test_a_job_claimed_in_the_moment_of_stopping_is_handed_back_before_its_model_is_loaded(
    database_url: str, tmp_path: Path, model: str
) -> None:
    with running_broker("valkey", tmp_path) as broker:
        settings = Settings(
            data_dir=tmp_path / "data", database_url=database_url, broker_url=broker.url, diagnostics=True
        )
        worker = Worker(settings, [], "worker", None)
        which = (new_job_id(), "default", "default", model, "1", Priority.INTERACTIVE)
        worker.jobs.submit([Submission(*which, {"prompt": "a"}, {}, None, 1, 8, 3)])
        jobs = worker.claims.claim("default", "worker", 15.0, lambda _: 0)
        worker.draining.set()
        assert attempt(worker.bench, "default", jobs, more=True) == []
        job = worker.jobs.get(jobs[0].id)
        assert (job.status, job.attempt, job.max_attempts) == (Status.QUEUED, 1, 4)
        assert worker.models.names == []
        worker.errands.close()
        worker.database.close()
