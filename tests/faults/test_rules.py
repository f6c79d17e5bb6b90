"""Couriers that die while rules follow: each event is followed once."""

import time

import pytest

from tests.servers import wait_until
from tests.stacks import RunningStack

pytestmark = pytest.mark.slow

JOBS, DEATHS = 40, 5


def test_couriers_that_die_leave_no_event_unfollowed_and_follow_none_twice(tough_stack: RunningStack) -> None:
    mark = f"mark {time.time_ns()}"
    follow_up = {"model": "noop", "input": {"prompt": "${job.id}"}, "metadata": {"follows": mark}}
    wanted = {"name": mark, "on": "completed", "pattern": {"metadata": {"mark": [mark]}}}
    rule = tough_stack.http.post("/v1/rules", json=wanted | {"targets": [{"job": follow_up}]}).json()
    body = {"model": "noop", "input": {"prompt": "x"}, "metadata": {"mark": mark}}
    ids = []
    for number in range(JOBS):
        ids.append(tough_stack.http.post("/v1/jobs", json=body).json()["id"])
        if number % (JOBS // DEATHS) == 0:
            tough_stack.kill("courier")

    def followed() -> list[str]:
        jobs = tough_stack.http.get("/v1/jobs", params={"limit": 200}).json()["jobs"]
        return sorted(job["input"]["prompt"] for job in jobs if job["made_by"] == f"rule:{rule['id']}")

    wait_until(lambda: len(followed()) >= JOBS, "all are followed", 120)
    time.sleep(2)
    assert followed() == sorted(ids)
    tough_stack.http.delete(rule["urls"]["self"])
