"""Reapers that freeze or double: one leads, another follows, and no duty is done twice."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.stacks import attempts_of, frozen, holder_of
from tests.servers import wait_until
from tests.stacks import SAFELIGHT, RunningStack

pytestmark = pytest.mark.slow


@contextmanager
def another_reaper(stack: RunningStack) -> Iterator[None]:
    environment = os.environ | {"SAFELIGHT_DATA_DIR": str(stack.folder)}
    process = subprocess.Popen([SAFELIGHT, "reaper"], env=environment, cwd=stack.folder)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def test_when_the_leading_reaper_freezes_another_takes_the_lead_and_deadlines_pass_on_time(
    tough_stack: RunningStack,
) -> None:
    (leader,) = tough_stack.processes("reaper")
    held = tough_stack.submit(duration_s=60.0, steps=600)
    tough_stack.until_running(held["id"])
    with another_reaper(tough_stack), frozen(leader):
        soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        body = {"model": "noop", "input": {"prompt": "too late"}, "deadline": soon}
        overdue = tough_stack.http.post("/v1/jobs", json=body).json()
        assert tough_stack.finished(overdue["id"])["status"] == "expired"
        tough_stack.http.post(f"/v1/jobs/{held['id']}/cancel")
        tough_stack.finished(held["id"])


def test_a_leader_that_wakes_and_still_believes_it_leads_does_no_duty_twice(two_workers: RunningStack) -> None:
    (leader,) = two_workers.processes("reaper")
    job = two_workers.submit(duration_s=4.0, steps=40)
    two_workers.until_running(job["id"])
    sleeper = holder_of(two_workers, job["id"])
    with another_reaper(two_workers):
        with frozen(leader), frozen(sleeper):
            wait_until(lambda: attempts_of(two_workers, job["id"])[1:] != [], "the other reaper found the lease over")
        finished = two_workers.finished(job["id"])
    assert (finished["status"], finished["attempt"]) == ("succeeded", 2)
    assert [one["outcome"] for one in attempts_of(two_workers, job["id"])] == ["lose", "succeed"]
