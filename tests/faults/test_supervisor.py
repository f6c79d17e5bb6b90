"""`safelight up` keeps its roles alive, stops them in order, and leaves nothing behind whatever ends it."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.faults.stacks import serves
from tests.servers import wait_until
from tests.stacks import RunningStack, alive, running_stack

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("role", ["api", "worker", "reaper", "courier", "flower", "valkey-server"])
def test_a_role_that_is_killed_is_back_and_the_stack_serves_on_the_same_port(
    tough_stack: RunningStack, role: str
) -> None:
    before = {process.pid for process in tough_stack.processes(role)}
    assert before, f"{role} runs as a process of its own"
    tough_stack.kill(role)
    wait_until(lambda: {p.pid for p in tough_stack.processes(role)} - before, f"{role} is back")
    wait_until(lambda: serves(tough_stack), "the stack serves again on the same port")
    assert tough_stack.finished(tough_stack.submit()["id"])["status"] == "succeeded"


def test_a_stopped_stack_hands_its_running_job_back_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data") as stack:
        job = stack.submit(duration_s=60.0, steps=2)
        stack.until_running(job["id"])
        family = family_of(stack)
        started = time.monotonic()
        assert stack.stop() == 0
        assert time.monotonic() - started < 10
        assert not [process for process in family if alive(process)], "nothing is left"
    with running_stack(tmp_path / "data") as stack:
        handed_back = stack.until_running(job["id"])
        assert (handed_back["attempt"], handed_back["max_attempts"]) == (2, 4)
        assert stack.http.post(f"/v1/jobs/{job['id']}/cancel").status_code == 200
        assert stack.finished(job["id"])["status"] == "canceled"


def test_everything_killed_the_moment_after_a_202_loses_no_job_and_leaves_no_orphan(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data") as stack:
        family = family_of(stack)
        jobs = [stack.submit() for _ in range(20)]
        for process in family:
            process.kill()
        stack.process.wait()
        wait_until(lambda: not any(alive(process) for process in family), "nothing is left")
    with running_stack(tmp_path / "data") as stack:
        assert {stack.finished(job["id"])["status"] for job in jobs} == {"succeeded"}


def test_a_killed_supervisor_leaves_no_orphans(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data") as stack:
        children = psutil.Process(stack.process.pid).children(recursive=True)
        os.kill(stack.process.pid, signal.SIGKILL)
        stack.process.wait()
        wait_until(lambda: not any(alive(child) for child in children), "all roles have ended")


def test_ctrl_c_stops_everything_within_ten_seconds_with_exit_code_0(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data") as stack:
        stack.submit(duration_s=60.0, steps=1)
        started = time.monotonic()
        stack.process.send_signal(signal.SIGINT)
        assert stack.process.wait(30) == 0
        assert time.monotonic() - started < 10


def family_of(stack: RunningStack) -> list[psutil.Process]:
    supervisor = psutil.Process(stack.process.pid)
    return [supervisor, *supervisor.children(recursive=True)]
