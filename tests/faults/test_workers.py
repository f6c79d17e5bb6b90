"""Workers that die, freeze, hang, or are told to stop: their jobs run again and are published once."""

import signal
from datetime import datetime

import pytest

from tests.faults.stacks import attempts_of, frozen, holder_of, serves
from tests.servers import wait_until
from tests.stacks import RunningStack

pytestmark = pytest.mark.slow


def test_a_picture_survives_the_death_of_its_worker(tough_stack: RunningStack) -> None:
    tough_stack.finished(tough_stack.submit("scenes", steps=1)["id"])
    job = tough_stack.submit("scenes", steps=20, count=2, seed=5)
    tough_stack.until_running(job["id"])
    tough_stack.kill("worker")
    finished = tough_stack.finished(job["id"], 180)
    assert (finished["status"], finished["attempt"]) == ("succeeded", 2)
    assert len(finished["outputs"]) == 2


def test_a_hung_step_ends_its_worker_and_the_job_runs_again(batching_stack: RunningStack) -> None:
    job = batching_stack.finished(batching_stack.submit(fail="hang", fail_times=1)["id"], 120)
    assert (job["status"], job["attempt"]) == ("succeeded", 2)
    assert attempts_of(batching_stack, job["id"])[0]["error"]["code"] == "worker_lost"


def test_an_error_that_may_pass_is_tried_again_after_a_pause(tough_stack: RunningStack) -> None:
    job = tough_stack.finished(tough_stack.submit(fail="error", fail_times=1)["id"])
    assert (job["status"], job["attempt"], job["error"]) == ("succeeded", 2, None)
    failed, done = attempts_of(tough_stack, job["id"])
    assert (failed["outcome"], failed["error"]["code"], done["outcome"]) == ("retry later", "model_error", "succeed")
    pause = datetime.fromisoformat(done["started_at"]) - datetime.fromisoformat(failed["finished_at"])
    assert pause.total_seconds() >= 1


def test_a_worker_told_to_stop_hands_its_job_back_within_the_grace_and_the_attempt_does_not_count(
    tough_stack: RunningStack,
) -> None:
    job = tough_stack.submit(duration_s=6.0, steps=60)
    tough_stack.until_running(job["id"])
    worker = holder_of(tough_stack, job["id"])
    worker.send_signal(signal.SIGTERM)
    worker.wait(20)
    finished = tough_stack.finished(job["id"])
    assert (finished["status"], finished["attempt"], finished["max_attempts"]) == ("succeeded", 2, 4)
    assert attempts_of(tough_stack, job["id"])[0]["outcome"] == "hand back"


def test_a_worker_frozen_beyond_its_lease_publishes_nothing(two_workers: RunningStack) -> None:
    job = two_workers.submit(duration_s=1.0, steps=10)
    two_workers.until_running(job["id"])
    with frozen(holder_of(two_workers, job["id"])):
        finished = two_workers.finished(job["id"])
        assert (finished["status"], finished["attempt"]) == ("succeeded", 2)
    busy = [two_workers.submit(duration_s=2.0)["id"] for _ in range(2)]
    for job_id in busy:
        two_workers.finished(job_id)
    assert len({attempts_of(two_workers, job_id)[-1]["worker"] for job_id in busy}) == 2, "both work"
    assert two_workers.get(job["id"])["seq"] == finished["seq"], "the sleeper changed nothing"
    assert [one["outcome"] for one in attempts_of(two_workers, job["id"])] == ["lose", "succeed"]


def test_a_worker_that_lost_its_lease_stops_at_its_next_step(two_workers: RunningStack) -> None:
    job = two_workers.submit(duration_s=60.0, steps=600)
    two_workers.until_running(job["id"])
    sleeper = holder_of(two_workers, job["id"])
    with frozen(sleeper):
        wait_until(lambda: attempts_of(two_workers, job["id"])[1:] != [], "another worker has it")
    seq = two_workers.get(job["id"])["seq"]
    other = two_workers.finished(two_workers.submit()["id"])
    (attempt,) = attempts_of(two_workers, other["id"])
    assert attempt["worker"] in sleeper.cmdline(), "it has stopped, and works on something else"
    still = two_workers.get(job["id"])
    assert (still["status"], still["attempt"], still["seq"]) == ("running", 2, seq)
    two_workers.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert two_workers.finished(job["id"])["status"] == "canceled"


def test_a_job_whose_reaper_worker_api_and_broker_die_together_still_ends(two_workers: RunningStack) -> None:
    job = two_workers.submit(duration_s=3.0, steps=30)
    two_workers.until_running(job["id"])
    for role in ("reaper", "worker", "api", "valkey-server"):
        two_workers.kill(role)
    wait_until(lambda: serves(two_workers), "all are back")
    assert two_workers.finished(job["id"])["status"] == "succeeded"
