"""Clients that send twice, and queues that are full."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.faults.stacks import BODY
from tests.servers import wait_until
from tests.stacks import RunningStack, running_stack

pytestmark = pytest.mark.slow


def test_a_client_that_marks_its_retries_but_sends_no_key_makes_one_job(stack: RunningStack) -> None:
    def send(count: int, seed: int) -> httpx.Response:
        body = {"model": "noop", "input": {"prompt": "resend", "seed": seed}}
        return stack.http.post("/v1/jobs", json=body, headers={"x-stainless-retry-count": str(count)})

    seed = time.time_ns() % (1 << 40)
    first, again, third = (send(count, seed) for count in (0, 1, 2))
    assert first.json()["id"] == again.json()["id"] == third.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert send(1, seed + 1).json()["id"] != first.json()["id"], "another body is another wish"
    anew = send(0, seed)
    assert anew.json()["id"] != first.json()["id"], "a first sending is a new wish"
    assert send(1, seed).json()["id"] == anew.json()["id"]


def test_ten_thousand_posts_with_a_hundred_keys_make_a_hundred_jobs(stack: RunningStack) -> None:
    started = time.time_ns()

    def client(_: int) -> set[str]:
        with httpx.Client(base_url=stack.url, timeout=60) as http:
            answers = [
                http.post("/v1/jobs", json=BODY, headers={"Idempotency-Key": f"{started}-{number % 100}"})
                for number in range(500)
            ]
        assert {answer.status_code for answer in answers} == {202}
        return {answer.json()["id"] for answer in answers}

    with ThreadPoolExecutor(20) as pool:
        made = set().union(*pool.map(client, range(20)))
    assert len(made) == 100
    for job_id in made:
        assert stack.finished(job_id)["status"] == "succeeded"


def test_a_full_queue_refuses_before_it_accepts_and_says_when_to_come_back(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data", SAFELIGHT_MAX_QUEUED="5") as stack:
        held = stack.submit(duration_s=60.0, steps=600)
        stack.until_running(held["id"])
        answers = [stack.http.post("/v1/jobs", json=BODY) for _ in range(20)]
        refused = [answer for answer in answers if answer.status_code == 503]
        assert len(refused) >= 10
        assert all(answer.headers["retry-after"].isdigit() for answer in refused)
        accepted = [answer.json()["id"] for answer in answers if answer.status_code == 202]
        stack.http.post(f"/v1/jobs/{held['id']}/cancel")
        assert {stack.finished(job_id)["status"] for job_id in accepted} == {"succeeded"}
        assert len(stack.http.get("/v1/jobs").json()["jobs"]) == 1 + len(accepted)
        wait_until(lambda: stack.http.post("/v1/jobs", json=BODY).status_code == 202, "there is room again")
