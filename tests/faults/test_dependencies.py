"""Jobs that wait for others, over a real stack: whoever dies meanwhile, each runs once, after what it needs."""

import pytest

from tests.faults.stacks import serves
from tests.servers import wait_until
from tests.stacks import RunningStack

pytestmark = pytest.mark.slow


def submit_after(stack: RunningStack, *needs: str, **given: object) -> str:
    body = {"model": "noop", "input": {"prompt": "then"}, "depends_on": list(needs), **given}
    answer = stack.http.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    job: dict[str, str] = answer.json()
    assert (job["status"], job["depends_on"]) == ("waiting", list(needs))
    return job["id"]


def test_a_job_starts_when_all_that_it_depends_on_have_succeeded(tough_stack: RunningStack) -> None:
    first = tough_stack.submit(duration_s=0.5)["id"]
    second = tough_stack.submit(duration_s=0.5)["id"]
    job = tough_stack.finished(submit_after(tough_stack, first, second))
    assert (job["status"], job["attempt"]) == ("succeeded", 1)
    assert all(tough_stack.get(need)["finished_at"] <= job["started_at"] for need in (first, second))


def test_what_depends_on_a_failed_job_fails_is_skipped_or_runs_all_the_same(tough_stack: RunningStack) -> None:
    bad = tough_stack.submit(fail="error", duration_s=0.5)["id"]
    jobs = {how: submit_after(tough_stack, bad, on_dependency_failure=how) for how in ("fail", "skip", "run")}
    tough_stack.http.post(f"/v1/jobs/{bad}/cancel")
    ended = {how: tough_stack.finished(job_id)["status"] for how, job_id in jobs.items()}
    assert ended == {"fail": "failed", "skip": "canceled", "run": "succeeded"}


def test_a_chain_goes_on_though_the_courier_is_killed_at_every_link(tough_stack: RunningStack) -> None:
    ids = [tough_stack.submit(duration_s=0.2)["id"]]
    for _ in range(5):
        ids.append(submit_after(tough_stack, ids[-1]))
    for job_id in ids[:-1]:
        wait_until(lambda job_id=job_id: tough_stack.get(job_id)["status"] == "succeeded", "the chain goes on")
        tough_stack.kill("courier")
    jobs = [tough_stack.finished(job_id) for job_id in ids]
    assert [(job["status"], job["attempt"]) for job in jobs] == [("succeeded", 1)] * 6
    wait_until(lambda: serves(tough_stack), "the stack is mended")


@pytest.mark.parametrize("wrong", [["x"], ["00000000-0000-7000-8000-000000000000"], [7], "x", [None]])
def test_a_job_that_depends_on_nothing_real_is_refused_by_name(tough_stack: RunningStack, wrong: object) -> None:
    body = {"model": "noop", "input": {"prompt": "never"}, "depends_on": wrong}
    answer = tough_stack.http.post("/v1/jobs", json=body)
    assert answer.status_code == 422
    assert all(fault["field"].startswith("depends_on") for fault in answer.json()["errors"])
