"""What a dead worker held is freed at once by its supervisor, and only that: stacks of their own, real kill -9. The
leases are so long that nothing but the supervisor can have freed them in time."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.servers import PostgresServer, new_postgres_database, wait_until
from tests.stacks import RunningStack, alive, running_stack

LONG = {"SAFELIGHT_LEASE_S": "600"}


def attempts(stack: RunningStack, job_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.http.get(f"/v1/jobs/{job_id}/attempts").json()["attempts"]
    return found


def holder(stack: RunningStack, job_id: str) -> psutil.Process:
    """The worker process that runs the job: its name stands in its command line."""
    name = attempts(stack, job_id)[-1]["worker"]
    (found,) = [process for process in stack.processes("worker") if name in process.cmdline()]
    return found


def test_what_a_killed_worker_held_is_taken_by_another_one_before_it_is_back(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data", "--workers", "2", **LONG) as stack:
        wait_until(lambda: stack.http.get("/v1/stats").json()["workers"] == 2, "both workers are there")
        job = stack.submit(duration_s=2.0, steps=20)
        stack.until_running(job["id"])
        holder(stack, job["id"]).kill()
        finished = stack.finished(job["id"])
        assert (finished["status"], finished["attempt"]) == ("succeeded", 2)
        first, second = attempts(stack, job["id"])
        assert (first["outcome"], first["error"]["code"]) == ("lose", "worker_lost")
        assert first["worker"].split(".")[0] != second["worker"].split(".")[0], "the other one took it"
        lost = 'safelight_lost_leases_total{model="noop"} 1.0'
        wait_until(lambda: lost in stack.http.get("/metrics").text, "the lost lease is counted")


def test_every_start_of_a_worker_has_a_name_of_its_own(tmp_path: Path) -> None:
    seen: list[str] = []
    for _ in range(2):
        with running_stack(tmp_path / "data") as stack:
            job = stack.finished(stack.submit(fail="crash", fail_times=1)["id"])
            seen += [attempt["worker"] for attempt in attempts(stack, job["id"])]
    assert len(seen) == len(set(seen)) == 4
    assert {name.split(".")[0] for name in seen} == {"worker-0"}
    assert len({name.split(".")[1] for name in seen}) == 1, "the folder is one stack, however often it starts"


def test_what_a_killed_stack_held_is_freed_when_it_starts_again(tmp_path: Path) -> None:
    """Its worker is frozen, so that it can hand nothing back."""
    with running_stack(tmp_path / "data", **LONG) as stack:
        job = stack.submit(duration_s=2.0, steps=20)
        stack.until_running(job["id"])
        (sleeper,) = stack.processes("worker")
        others = [child for child in psutil.Process(stack.process.pid).children() if child != sleeper]
        sleeper.suspend()
        os.kill(stack.process.pid, signal.SIGKILL)
        stack.process.wait()
        wait_until(lambda: not any(alive(child) for child in others), "the other roles have ended")
    try:
        with running_stack(tmp_path / "data", **LONG) as stack:
            finished = stack.finished(job["id"])
            assert (finished["status"], finished["attempt"]) == ("succeeded", 2)
            sleeper.resume()
            wait_until(lambda: not alive(sleeper), "the sleeper hears that it was told to stop")
            assert stack.get(job["id"]) == finished, "it changed nothing"
    finally:
        if alive(sleeper):
            sleeper.kill()


def test_a_stack_that_starts_frees_nothing_of_another_stack_on_the_same_database(
    postgres: str, tmp_path: Path
) -> None:
    settings = {"SAFELIGHT_DATABASE_URL": new_postgres_database(postgres), **LONG}
    with running_stack(tmp_path / "one", **settings) as one:
        job = one.submit(duration_s=6.0, steps=60)
        one.until_running(job["id"])
        with running_stack(tmp_path / "other", **settings) as other:
            other.finished(other.submit()["id"])
            other.kill("worker")
            finished = one.finished(job["id"])
    assert (finished["status"], finished["attempt"]) == ("succeeded", 1)


@contextmanager
def frozen(server: PostgresServer) -> Iterator[None]:
    postmaster = psutil.Process(server.pid)
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        yield
    finally:
        for process in reversed(family):
            process.resume()


def test_a_frozen_database_keeps_the_supervisor_from_nothing_and_frees_only_the_dead(tmp_path: Path) -> None:
    """The worker dies while nothing can be freed. Its successor starts meanwhile; the freeing comes late and is the
    dead one's alone."""
    with (
        PostgresServer() as server,
        running_stack(tmp_path / "data", SAFELIGHT_DATABASE_URL=server.url, **LONG) as stack,
    ):
        job = stack.submit(duration_s=3.0, steps=30)
        stack.until_running(job["id"])
        dead = attempts(stack, job["id"])[0]["worker"]
        reapers = {process.pid for process in stack.processes("reaper")}
        with frozen(server):
            stack.kill("worker")
            wait_until(lambda: stack.processes("worker"), "a worker is started again")
            stack.kill("reaper")
            wait_until(lambda: {p.pid for p in stack.processes("reaper")} - reapers, "the supervisor goes on", 10)
            time.sleep(6.0)  # so long that connections of the freeing time out, too
        finished = stack.finished(job["id"])
        assert (finished["status"], finished["attempt"]) == ("succeeded", 2)
        first, second = attempts(stack, job["id"])
        assert (first["worker"], first["outcome"]) == (dead, "lose")
        assert second["worker"] != dead
