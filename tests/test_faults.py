"""Whatever dies, what was accepted comes to its end: stacks of their own, and real kill -9."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from tests.servers import Broker, wait_until
from tests.stacks import RunningStack, alive, running_stack


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[RunningStack]:
    with running_stack(tmp_path / "data") as stack:
        yield stack


def test_a_job_survives_the_death_of_its_worker(own_stack: RunningStack) -> None:
    job = own_stack.submit(duration_s=3.0, steps=30)
    own_stack.until_running(job["id"])
    own_stack.kill("worker")
    finished = own_stack.finished(job["id"])
    assert (finished["status"], finished["attempt"]) == ("succeeded", 2)


def test_a_picture_survives_the_death_of_its_worker(own_stack: RunningStack) -> None:
    own_stack.finished(own_stack.submit("scenes", steps=1)["id"])
    job = own_stack.submit("scenes", steps=50, count=8, seed=5)
    own_stack.until_running(job["id"])
    own_stack.kill("worker")
    finished = own_stack.finished(job["id"], 180)
    assert (finished["status"], finished["attempt"]) == ("succeeded", 2)
    assert len(finished["outputs"]) == 8


def test_a_crash_counts_an_attempt_and_ends_in_failure_at_the_last_one(own_stack: RunningStack) -> None:
    job = own_stack.finished(own_stack.submit(fail="crash")["id"], 120)
    assert (job["status"], job["attempt"]) == ("failed", 3)
    assert job["error"]["code"] == "worker_lost"


def test_every_role_that_is_killed_is_back_on_its_port(own_stack: RunningStack) -> None:
    for role in ("api", "worker", "reaper", "courier", "flower", "valkey-server"):
        before = {process.pid for process in own_stack.processes(role)}
        assert before, f"{role} runs as a process of its own"
        own_stack.kill(role)
        wait_until(lambda role=role, before=before: {p.pid for p in own_stack.processes(role)} - before, role)
    wait_until(lambda: serves(own_stack), "the stack serves again on the same port")
    assert own_stack.finished(own_stack.submit()["id"])["status"] == "succeeded"


def serves(stack: RunningStack) -> bool:
    try:
        return stack.http.get("/readyz").json()["status"] == "ok"
    except Exception:
        return False


def test_submits_are_accepted_while_the_broker_is_frozen_and_run_once_it_thaws(
    own_stack: RunningStack,
) -> None:
    own_stack.finished(own_stack.submit()["id"])
    (broker,) = own_stack.processes("valkey-server")
    broker.suspend()
    try:
        started = time.monotonic()
        jobs = [own_stack.submit() for _ in range(20)]
        assert time.monotonic() - started < 10, "no submit waits for the broker"
        assert {job["status"] for job in jobs} == {"queued"}
    finally:
        broker.resume()
    assert {own_stack.finished(job["id"])["status"] for job in jobs} == {"succeeded"}


def test_submits_are_accepted_while_the_broker_is_full_and_run_once_it_has_room(own_stack: RunningStack) -> None:
    (process,) = own_stack.processes("valkey-server")
    broker = redis.Redis(port=int(process.cmdline()[0].rsplit(":", 1)[1]))
    broker.config_set("maxmemory", "1")
    jobs = [own_stack.submit() for _ in range(5)]
    broker.config_set("maxmemory", "0")
    broker.close()
    assert {own_stack.finished(job["id"])["status"] for job in jobs} == {"succeeded"}


def test_a_broker_that_forgets_everything_loses_no_job(own_stack: RunningStack) -> None:
    held = own_stack.submit(duration_s=2.0)
    jobs = [own_stack.submit() for _ in range(5)]
    own_stack.kill("valkey-server")
    assert {own_stack.finished(job["id"])["status"] for job in [held, *jobs]} == {"succeeded"}


def test_jobs_wait_for_a_broker_that_is_stopped_and_run_when_it_starts(broker: Broker, tmp_path: Path) -> None:
    with running_stack(tmp_path / "data", SAFELIGHT_BROKER_URL=broker.url) as stack:
        broker.stop()
        job = stack.submit()
        wait_until(lambda: stack.http.get("/readyz").json()["parts"]["broker"]["status"] == "down", "it is seen")
        ready = stack.http.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert stack.get(job["id"])["status"] == "queued"
        broker.start()
        assert stack.finished(job["id"])["status"] == "succeeded"


def test_the_stack_works_on_postgresql_too(postgres: str, tmp_path: Path) -> None:
    from tests.servers import new_postgres_database

    url = new_postgres_database(postgres)
    with running_stack(tmp_path / "data", SAFELIGHT_DATABASE_URL=url) as stack:
        job = stack.submit(duration_s=2.0, steps=20)
        stack.until_running(job["id"])
        stack.kill("worker")
        finished = stack.finished(job["id"])
        assert (finished["status"], finished["attempt"]) == ("succeeded", 2)


def test_a_frozen_worker_publishes_nothing_once_its_lease_has_passed_on(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data", "--workers", "2", SAFELIGHT_LEASE_S="3") as stack:
        job = stack.submit(duration_s=1.0, steps=10)
        stack.until_running(job["id"])
        sleeper = holder(stack, job["id"])
        sleeper.suspend()
        finished = stack.finished(job["id"])
        assert (finished["status"], finished["attempt"]) == ("succeeded", 2)
        sleeper.resume()
        stack.finished(stack.submit(duration_s=2.0)["id"])
        assert stack.get(job["id"])["seq"] == finished["seq"], "the sleeper changed nothing"


def holder(stack: RunningStack, job_id: str) -> psutil.Process:
    """The worker process that runs the only running job: the one whose name the row carries."""
    from sqlalchemy import text

    from storage.engine import Database

    database = Database(f"sqlite:///{stack.folder / 'safelight.db'}")
    with database.reading() as connection:
        name = connection.execute(text("SELECT worker FROM jobs WHERE id = :id"), {"id": job_id}).scalar_one()
    database.close()
    (found,) = [process for process in stack.processes("worker") if name in process.cmdline()]
    return found


def test_a_stopped_stack_hands_its_running_job_back_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data") as stack:
        job = stack.submit(duration_s=60.0, steps=2)
        stack.until_running(job["id"])
        family = [
            psutil.Process(stack.process.pid),
            *psutil.Process(stack.process.pid).children(recursive=True),
        ]
        started = time.monotonic()
        assert stack.stop() == 0
        assert time.monotonic() - started < 10
        assert not [process for process in family if alive(process)], "nothing is left"
    with running_stack(tmp_path / "data") as stack:
        handed_back = stack.until_running(job["id"])
        assert (handed_back["attempt"], handed_back["max_attempts"]) == (2, 4)
        assert stack.http.post(f"/v1/jobs/{job['id']}/cancel").status_code == 200
        assert stack.finished(job["id"])["status"] == "canceled"


def test_a_killed_supervisor_leaves_no_orphans(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data") as stack:
        children = psutil.Process(stack.process.pid).children(recursive=True)
        os.kill(stack.process.pid, signal.SIGKILL)
        stack.process.wait()
        wait_until(lambda: not any(alive(child) for child in children), "all roles have ended")


def test_a_hung_step_ends_its_worker_and_the_job_runs_again(own_stack: RunningStack) -> None:
    job = own_stack.finished(own_stack.submit(fail="hang", fail_times=1)["id"], 120)
    assert (job["status"], job["attempt"]) == ("succeeded", 2)


def test_an_error_that_may_pass_is_tried_again_after_a_pause(own_stack: RunningStack) -> None:
    job = own_stack.finished(own_stack.submit(fail="error", fail_times=1)["id"])
    assert (job["status"], job["attempt"], job["error"]) == ("succeeded", 2, None)
    hopeless = own_stack.finished(own_stack.submit(fail="oom")["id"])
    assert (hopeless["status"], hopeless["attempt"]) == ("failed", 3)
    assert hopeless["error"]["code"] == "out_of_memory"
