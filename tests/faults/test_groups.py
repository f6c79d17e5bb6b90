"""Groups whose servers die: in whole or not at all, and of a race no more than may win, whoever is killed when."""

import random
import time

import httpx
import pytest

from tests.faults.stacks import serves
from tests.faults.test_failure_points import arm_again, mined_stack
from tests.gathering import ended, fan_out, gather, statuses
from tests.servers import wait_until
from tests.stacks import RunningStack

__all__ = ["mined_stack"]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("point", ["submit:committing", "submit:committed"])
def test_an_api_that_dies_over_a_group_leaves_all_of_it_or_nothing(mined_stack: RunningStack, point: str) -> None:
    died = arm_again(mined_stack, point)
    key = f"group-{point}-{time.time_ns()}"
    body = {"fan_out": {"input": {"prompt": key}, "models": ["noop"], "seeds": [1, 2, 3]}}
    answer = _insist(mined_stack, key, body)
    assert died.exists()
    done = ended(mined_stack, answer.json())
    assert (done["status"], statuses(done)) == ("succeeded", ["succeeded"] * 3)
    jobs = mined_stack.http.get("/v1/jobs", params={"limit": 200}).json()["jobs"]
    assert len([job for job in jobs if job["input"]["prompt"] == key]) == 3, "one key made one group"


@pytest.mark.parametrize("seed", range(2))
def test_of_four_the_first_two_whoever_is_killed_meanwhile(tough_stack: RunningStack, seed: int) -> None:
    chance = random.Random(seed)
    wait_until(lambda: serves(tough_stack), "every part is there")
    group = gather(tough_stack, fan_out=fan_out([1, 2, 3, 4], duration_s=1.0, steps=10), join={"first": 2})
    for role in chance.sample(["worker", "courier", "api", "courier", "worker", "reaper"], 4):
        time.sleep(chance.uniform(0.0, 0.8))
        tough_stack.kill(role)
    wait_until(lambda: serves(tough_stack), "every part is there again")
    done = ended(tough_stack, group)
    assert (done["status"], len(done["outputs"])) == ("succeeded", 2)
    assert sorted(statuses(done)) == ["canceled", "canceled", "succeeded", "succeeded"]
    assert not tough_stack.http.get("/v1/jobs", params={"status": "running"}).json()["jobs"], "the devices are free"


def _insist(stack: RunningStack, key: str, body: dict[str, object]) -> httpx.Response:
    give_up_at = time.monotonic() + 60
    while True:
        try:
            return stack.http.post("/v1/groups", json=body, headers={"Idempotency-Key": key})
        except httpx.HTTPError:
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
