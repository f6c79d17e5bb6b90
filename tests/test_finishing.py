"""A batch is stored and concluded while the next one runs."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import Settings
from jobs.identity import new_job_id
from jobs.values import Priority, Status, Submission
from storage.media.artifacts import ArtifactStore, Stored
from tests.servers import running_broker, wait_until
from workers.attempts.attempt import work_off
from workers.process import Worker


class Shelf(ArtifactStore):
    """The real one; something happens before each storing."""

    before: Callable[[], None]

    def put(self, data: bytes, media_type: str) -> Stored:
        self.before()
        return super().put(data, media_type)


@pytest.fixture
def worker(database_url: str, tmp_path: Path) -> Iterator[Worker]:
    with running_broker("valkey", tmp_path) as broker:
        settings = Settings(
            data_dir=tmp_path / "data", database_url=database_url, broker_url=broker.url, diagnostics=True
        )
        opened = Worker(settings, [], "worker", None)
        with contextlib.closing(opened.database), contextlib.closing(opened.errands):
            yield opened


def submit(worker: Worker, count: int) -> list[str]:
    which = ("default", "default", "noop", "1", Priority.INTERACTIVE)
    given = {"prompt": "a", "duration_s": 0.2}
    wanted = [Submission(new_job_id(), *which, given, {}, None, 1, 1, 3) for _ in range(count)]
    return [done.job.id for done in worker.jobs.submit(wanted) if done.job]


def with_shelf(worker: Worker, before: Callable[[], None]) -> None:
    shelf = Shelf(worker.bench.artifacts.folder)
    shelf.before = before
    worker.bench = replace(worker.bench, artifacts=shelf)


def test_the_next_batch_runs_while_one_is_stored_and_in_the_end_all_are_concluded(worker: Worker) -> None:
    job_ids = submit(worker, 3)
    beside: list[set[Status]] = []

    def note() -> None:
        if len(beside) < 2:  # the last one has nothing beside it
            wait_until(lambda: statuses().count(Status.RUNNING) == 2, "the next one runs")
        beside.append(set(statuses()))

    def statuses() -> list[Status]:
        return [worker.jobs.get(job_id).status for job_id in job_ids]

    with_shelf(worker, note)
    assert work_off(worker.bench, "default") == 3
    assert set(statuses()) == {Status.SUCCEEDED}
    assert len(beside) == 3
    assert worker.bench.hands.empty


def test_a_batch_that_cannot_be_stored_fails_and_its_successor_does_not(worker: Worker) -> None:
    first, second = submit(worker, 2)
    faults = iter([OSError(28, "No space left on device")])

    def fail_once() -> None:
        for fault in faults:
            raise fault

    with_shelf(worker, fail_once)
    assert work_off(worker.bench, "default") == 2
    job = worker.jobs.get(first)
    assert job.status is Status.QUEUED
    assert job.error is not None
    assert job.error.code == "storage_full"
    assert worker.jobs.get(second).status is Status.SUCCEEDED


def test_a_stop_finds_both_batches_in_hand(worker: Worker) -> None:
    job_ids = submit(worker, 2)
    seen: list[dict[str, int]] = []

    def stop() -> None:
        if not seen:
            wait_until(lambda: len(worker.bench.hands.fences) == 2, "the next one is in hand")
            seen.append(worker.bench.hands.fences)
            worker.draining.set()

    with_shelf(worker, stop)
    work_off(worker.bench, "default")
    assert set(seen[0]) == set(job_ids)
    first, second = (worker.jobs.get(job_id) for job_id in job_ids)
    assert first.status is Status.SUCCEEDED, "what is there is kept"
    assert (second.status, second.max_attempts) == (Status.QUEUED, 4), "the other one is handed back"
