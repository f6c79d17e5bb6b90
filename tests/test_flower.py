"""What operators see in Flower: jobs, under their ids, with their true states."""

import json
from typing import Any
from urllib.request import urlopen

import httpx
import pytest

from config.settings import STACK_FILE
from tests.servers import wait_until
from tests.stacks import RunningStack


@pytest.fixture
def flower(stack: RunningStack) -> str:
    url: str = json.loads((stack.folder / STACK_FILE).read_text())["flower_url"]
    wait_until(lambda: urlopen(f"{url}/healthcheck").status == 200, "Flower answers")
    return url


def shown(flower: str, job_id: str) -> dict[str, Any]:
    """Flower's own account of a task, once it has one in that state."""
    answer = httpx.get(f"{flower}/api/task/info/{job_id}", timeout=10)
    return answer.json() if answer.status_code == 200 else {"state": None}


def test_flower_shows_each_job_under_its_id_with_its_state_and_runtime(stack: RunningStack, flower: str) -> None:
    done = stack.finished(stack.submit(duration_s=0.4)["id"])
    wait_until(lambda: shown(flower, done["id"])["state"] == "SUCCESS", "Flower has heard of it")
    task = shown(flower, done["id"])
    assert 0.3 < task["runtime"] < 30
    assert "noop" in task["name"]
    assert done["outputs"][0]["sha256"] in task["result"]


def test_flower_shows_failures_and_cancels_as_what_they_are(stack: RunningStack, flower: str) -> None:
    failed = stack.finished(stack.submit(fail="error")["id"])
    running = stack.submit(duration_s=60, steps=600)
    stack.until_running(running["id"])
    wait_until(lambda: shown(flower, running["id"])["state"] == "STARTED", "it is shown as running")
    stack.http.post(f"/v1/jobs/{running['id']}/cancel")
    stack.finished(running["id"])
    wait_until(lambda: shown(flower, running["id"])["state"] == "REVOKED", "the cancel is shown")
    wait_until(lambda: shown(flower, failed["id"])["state"] == "FAILURE", "the failure is shown")
    assert "model_error" in shown(flower, failed["id"])["exception"]


def test_each_member_of_a_batch_is_shown(stack: RunningStack, flower: str) -> None:
    held = stack.submit(duration_s=1.0)
    members = [stack.submit("scenes", steps=1, seed=seed) for seed in range(3)]
    for job in (held, *members):
        stack.finished(job["id"])
    for job in members:
        wait_until(lambda job=job: shown(flower, job["id"])["state"] == "SUCCESS", "each is shown as done")


def test_flower_shows_the_failure_of_a_job_whose_workers_died(stack: RunningStack, flower: str) -> None:
    job = stack.finished(stack.submit(fail="crash")["id"])
    assert (job["status"], job["error"]["code"]) == ("failed", "worker_lost")
    wait_until(lambda: shown(flower, job["id"])["state"] == "FAILURE", "the failure is shown")


def test_flowers_revoke_button_cancels_the_job(stack: RunningStack, flower: str) -> None:
    job = stack.submit(duration_s=60, steps=600)
    stack.until_running(job["id"])
    wait_until(lambda: shown(flower, job["id"])["state"] == "STARTED", "Flower knows it")
    answer = httpx.post(f"{flower}/api/task/revoke/{job['id']}", params={"terminate": "true"}, timeout=30)
    assert answer.status_code == 200, answer.text
    assert stack.finished(job["id"])["status"] == "canceled"
    assert stack.finished(stack.submit()["id"])["status"] == "succeeded", "the worker lives"


def test_a_page_of_another_site_may_not_use_flowers_api(stack: RunningStack, flower: str) -> None:
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Host": "evil.example"},
    ):
        assert httpx.get(f"{flower}/api/tasks", headers=headers, timeout=10).status_code == 403
