"""Batches as a worker makes them: who joins one, how it is divided and filled up, that no member's fate is another's.
The worker is a real one whose process is not started; its models are real, `noop` and a tiny pipeline."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from jobs.errors import Interrupted, ModelFault, OutOfMemory
from jobs.identity import new_job_id
from jobs.values import Job, Priority, Status, Submission
from models.diffusion import DiffusersRunner
from models.entry import Batch, Entry
from models.noop import Noop
from models.runner import Request, Result, Watch
from storage.engine import Database
from storage.migrations import upgrade
from tests.pipelines import tiny
from tests.servers import running_broker
from tests.test_noop import Watching
from tests.test_pipeline import OTHER, draw, farthest, one, request
from workers.attempts.attempt import attempt, claim
from workers.attempts.companions import gather, room
from workers.attempts.generation import generate
from workers.attempts.lease import Lease
from workers.process import Worker

NOOP = (Path(__file__).parent.parent / "models" / "shelf" / "noop.toml").read_text()


class Small(Noop):
    """The diagnostic model on a device that bears so many rows at a time; keeps what it was asked for."""

    def __init__(self, bears: int) -> None:
        self.bears = bears
        self.asked: list[tuple[int, int]] = []  # jobs, rows

    def generate(self, requests: Sequence[Request], watch: Watch, rows: int = 0) -> list[Result]:
        self.asked.append((len(requests), rows))
        if max(len(requests), rows) > self.bears:
            raise OutOfMemory
        return super().generate(requests, watch, rows)


class House:
    """A worker, and clients that submit to it."""

    def __init__(self, folder: Path, broker_url: str, **batch: Any) -> None:
        catalog = folder / "catalog"
        catalog.mkdir()
        lines = "".join(f"{key} = {value}\n" for key, value in ({"max": 8} | batch).items())
        (catalog / "noop.toml").write_text(NOOP.replace("[batch]\nmax = 1\n", f"[batch]\n{lines}"))
        settings = Settings(
            data_dir=folder, broker_url=broker_url, diagnostics=True, models=str(catalog), heartbeat_s=0.1
        )
        upgrade(Database(settings.database))
        self.worker = Worker(settings, [], "worker", None)
        self.bench = self.worker.bench
        self.entry = self.bench.catalog.find("noop")

    def submit(self, count: int = 1, key: str = "k", **given: Any) -> list[str]:
        wanted = [
            Submission(
                *(new_job_id(), "default", "default", "noop", self.entry.version, Priority.INTERACTIVE),
                *({"prompt": "a", **given}, {}, key, 1, 1, 3),
            )
            for _ in range(count)
        ]
        self.worker.jobs.submit(wanted)
        return [one.id for one in wanted]

    def claim(self) -> list[Job]:
        return claim(self.bench, "default")

    @contextlib.contextmanager
    def lease(self, jobs: Sequence[Job]) -> Iterator[Lease]:
        with Lease(self.worker.claims, jobs, lease_s=60.0, heartbeat_s=0.05, draining=threading.Event()) as lease:
            yield lease

    def generate(self, runner: Noop, jobs: Sequence[Job], entry: Entry | None = None) -> dict[str, Result]:
        with self.lease(jobs) as lease:
            made = generate(self.bench, entry or self.entry, runner, jobs, lease)
            return {job_id: one.result for job_id, one in made.items()}


Open = Callable[..., House]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Open]:
    with running_broker("valkey", tmp_path) as broker:
        yield lambda **batch: House(tmp_path, broker.url, **batch)


def test_a_batch_too_large_is_divided_once_and_later_ones_are_made_to_fit(house: Open) -> None:
    opened, runner = house(), Small(3)
    opened.submit(8)
    jobs = opened.claim()
    assert all(isinstance(result, list) for result in opened.generate(runner, jobs).values())
    assert runner.asked == [(8, 8), (4, 4), (2, 2), (2, 2), (2, 2), (2, 2)]
    runner.asked.clear()
    assert len(opened.generate(runner, jobs)) == 8
    assert runner.asked == [(2, 2)] * 4, "what was learnt costs no fault more"
    opened.submit(8)
    assert room(opened.bench, jobs[0]) == 1
    assert len(opened.claim()) == 2, "nor does this worker claim more than it can run at once"


def test_a_job_that_does_not_fit_even_alone_fails_and_the_others_do_not(house: Open) -> None:
    opened = house()
    ids = [*opened.submit(2), *opened.submit(1, fail="oom"), *opened.submit(1)]
    results = opened.generate(Noop(), opened.claim())
    assert [isinstance(results[job_id], list) for job_id in ids] == [True, True, False, True]
    assert isinstance(results[ids[2]], OutOfMemory)
    assert opened.bench.capacities.most(("noop@1", ())) is None, (
        "one that works alone proves that it was not the size"
    )


def test_a_batch_is_filled_up_to_the_next_size_unless_the_memory_does_not_suffice_for_that(house: Open) -> None:
    opened, runner = house(sizes=[2, 8]), Small(8)
    opened.submit(3)
    jobs = opened.claim()
    opened.generate(runner, jobs)
    opened.generate(runner, jobs[:1])
    assert runner.asked == [(3, 8), (1, 2)]
    tight = Small(3)
    assert all(isinstance(result, list) for result in opened.generate(tight, jobs).values())
    assert tight.asked == [(3, 8), (3, 3)]


def test_one_members_fault_or_cancel_is_not_the_others(house: Open) -> None:
    opened = house()
    ids = [*opened.submit(1), *opened.submit(1, fail="error"), *opened.submit(1), *opened.submit(1)]
    jobs = opened.claim()
    assert len(jobs) == 4
    opened.worker.jobs.cancel(ids[2])
    attempt(opened.bench, "default", [replace(job, input={**job.input, "duration_s": 1}) for job in jobs], more=False)
    ended = [opened.worker.jobs.get(job_id) for job_id in ids]
    assert [job.status for job in ended] == [Status.SUCCEEDED, Status.QUEUED, Status.CANCELED, Status.SUCCEEDED]
    assert ended[1].error is not None
    assert ended[1].error.code == "model_error"


def test_when_nobody_of_a_divided_batch_is_wanted_any_more_it_stops(house: Open) -> None:
    opened = house()
    ids = opened.submit(2, duration_s=60)
    jobs = opened.claim()
    for job_id in ids:
        opened.worker.jobs.cancel(job_id)
    with pytest.raises(Interrupted):
        opened.generate(Small(1), jobs)


def test_companions_that_arrive_within_the_wait_join_with_leases_of_their_own(house: Open) -> None:
    opened = house(max_wait_ms=1000)
    opened.submit(2)
    jobs = opened.claim()
    later = threading.Timer(0.2, opened.submit, (9,))
    later.start()
    late = gather(opened.bench, jobs)
    later.join()
    assert len(late) == 6, "up to the model's max, and no more"
    assert {(job.status, job.fence, job.worker) for job in late} == {(Status.RUNNING, 1, "worker")}
    with opened.lease([*jobs, *late]) as lease:
        assert set(lease.fences.values()) == {1}


def test_who_came_alone_or_must_run_alone_does_not_wait(house: Open) -> None:
    opened = house(max_wait_ms=1000)
    opened.submit(1)
    alone = opened.claim()
    waiting = opened.submit(1, "another")
    assert gather(opened.bench, alone) == []
    assert [job.id for job in opened.claim()] == waiting
    opened.submit(3)
    jobs = opened.claim()
    struck = [replace(job, strikes=1) for job in jobs]
    opened.submit(1)
    assert gather(opened.bench, struck) == []


def test_without_a_wait_in_the_toml_nobody_waits_and_a_full_batch_never_does(house: Open) -> None:
    opened = house()
    opened.submit(3)
    jobs = opened.claim()
    opened.submit(1)
    assert gather(opened.bench, jobs) == []
    full = opened.submit(8)
    assert len(opened.claim()) == 8, full
    assert gather(opened.bench, [jobs[0]] * 8) == []


def test_a_worker_that_is_told_to_stop_claims_no_companions(house: Open) -> None:
    opened = house(max_wait_ms=1000)
    opened.submit(2)
    jobs = opened.claim()
    opened.submit(1)
    opened.bench.draining.set()
    assert gather(opened.bench, jobs) == []


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> DiffusersRunner:
    return DiffusersRunner(tiny(tmp_path_factory.mktemp("tiny")), "cpu")


def test_padding_makes_the_bytes_the_same_whatever_the_company(runner: DiffusersRunner) -> None:
    wish = request(seed=5)
    results = runner.generate([wish], Watching(), 4)
    assert len(results) == 1
    assert not isinstance(results[0], ModelFault)
    in_company = draw(runner, request(seed=1, prompt=OTHER), request(seed=2), wish, request(seed=3))
    assert results[0][0].data == in_company[2][0].data
    assert farthest(results[0][0], one(runner, wish)) <= 1


def test_rows_that_fill_a_batch_are_nobodys(runner: DiffusersRunner) -> None:
    mine, theirs = runner.generate([request(seed=10, count=2), request(seed=90)], Watching(), 8)
    assert not isinstance(mine, ModelFault)
    assert not isinstance(theirs, ModelFault)
    assert [media.seed for media in mine + theirs] == [10, 11, 90]


@pytest.mark.parametrize(("outputs", "rows"), [(1, 1), (3, 4), (4, 4), (8, 8), (9, 9)])
def test_a_batch_has_the_next_of_its_models_sizes(outputs: int, rows: int) -> None:
    assert Batch(max=8, sizes=(1, 2, 4, 8)).padded(outputs) == rows
    assert Batch(max=8).padded(outputs) == outputs


@pytest.mark.parametrize("sizes", [(2, 1), (1, 1), (1, 4), (0, 8)])
def test_sizes_ascend_and_reach_the_largest_batch(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="sizes"):
        Batch(max=8, sizes=sizes)
