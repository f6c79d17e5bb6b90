"""Jobs that harm their worker: a batch too large, a job that crashes whoever runs it."""

import pytest

from tests.faults.stacks import attempts_of
from tests.stacks import RunningStack

pytestmark = pytest.mark.slow


def batch_of(stack: RunningStack, culprit: int, **given: object) -> list[str]:
    """Four jobs that will run in one batch; one of them is the culprit."""
    held = stack.submit(duration_s=1.5)
    stack.until_running(held["id"])
    jobs = [stack.submit(**(given if number == culprit else {})) for number in range(4)]
    stack.finished(held["id"])
    return [job["id"] for job in jobs]


def outcomes(stack: RunningStack, job_id: str) -> list[str]:
    """Of each attempt: its fault, or its outcome where it had none."""
    return [(one["error"] or {}).get("code") or one["outcome"] for one in attempts_of(stack, job_id)]


def test_a_batch_too_large_for_the_memory_is_halved_and_only_the_culprit_fails(batching_stack: RunningStack) -> None:
    jobs = batch_of(batching_stack, 2, fail="oom")
    ended = [batching_stack.finished(job_id) for job_id in jobs]
    assert [job["status"] for job in ended] == ["succeeded", "succeeded", "failed", "succeeded"]
    assert ended[2]["error"]["code"] == "out_of_memory"
    assert {job["attempt"] for job in ended if job["status"] == "succeeded"} == {1}
    assert outcomes(batching_stack, jobs[2]) == ["out_of_memory"] * 3, "alone, it is tried to the last attempt"


def test_a_crash_counts_an_attempt_for_every_job_its_worker_held(batching_stack: RunningStack) -> None:
    jobs = batch_of(batching_stack, 1, fail="crash", fail_times=1)
    assert {batching_stack.finished(job_id)["status"] for job_id in jobs} == {"succeeded"}
    assert [outcomes(batching_stack, job_id) for job_id in jobs] == [["worker_lost", "succeed"]] * 4


def test_a_poisonous_job_runs_alone_after_its_first_crash_and_dies_only_at_its_last_attempt(
    batching_stack: RunningStack,
) -> None:
    jobs = batch_of(batching_stack, 1, fail="crash")
    ended = [batching_stack.finished(job_id, 180) for job_id in jobs]
    assert [job["status"] for job in ended] == ["succeeded", "failed", "succeeded", "succeeded"]
    assert {job["attempt"] for job in ended if job["status"] == "succeeded"} == {2}, "its companions, once at most"
    assert outcomes(batching_stack, jobs[1]) == ["worker_lost"] * 3
