"""Every way a job may change, without a database: a row, a guard, and the constructors of changes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from jobs import lifecycle
from jobs.lifecycle import TRANSITIONS, Change, backoff_s
from jobs.values import FINAL, RETRYABLE, Fault, IfNeedFails, Job, Output, Priority, Status, Submission

NOW = datetime(2030, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)
BROKEN = Fault("model_error", "It broke.", retryable=True)
HOPELESS = Fault("model_unknown", "There is no such model.", retryable=False)
PICTURE = Output("ab.png", "ab", "image/png", 7, 8, 8, None, 3)


ENDINGS: dict[str, Callable[[Job, datetime], Change]] = {
    "succeed": lambda job, now: lifecycle.succeed(job, [PICTURE], now),
    "fail": lambda job, now: lifecycle.fail(job, BROKEN, now),
    "fail for good": lambda job, now: lifecycle.fail(job, HOPELESS, now),
    "lose": lifecycle.lose,
    "hand back": lifecycle.hand_back,
    "stop": lifecycle.stop,
}


def queued(**given: Any) -> Job:
    wanted: dict[str, Any] = {
        "id": "0197a000-0000-7000-8000-000000000001",
        "tenant": "default",
        "queue": "default",
        "model": "scenes",
        "model_version": "1",
        "priority": Priority.INTERACTIVE,
        "input": {"prompt": "a lighthouse"},
        "metadata": {"mine": 1},
        "batch_key": "k",
        "units": 2,
        "steps": 8,
        "max_attempts": 3,
    }
    return lifecycle.submit(Submission(**wanted | given), NOW)


def apply(job: Job, change: Change) -> Job | None:
    """What storage does in one UPDATE: the job as changed, or None when a guard does not hold."""
    if job.status not in change.before or change.fence not in (None, job.fence):
        return None
    values: dict[str, Any] = dict(change.values)
    if "outputs" in values:
        values["outputs"] = tuple(Output(**output) for output in values["outputs"])
    if values.get("error"):
        values["error"] = Fault(**values["error"])
    counted = {name: getattr(job, name) + step for name, step in {**change.increments, "seq": 1}.items()}
    return replace(job, **values, **counted)


def applied(job: Job, change: Change | None) -> Job:
    assert change is not None
    changed = apply(job, change)
    assert changed is not None, f"{change.verb} does not apply to a job that is {job.status}"
    return changed


def running(**given: Any) -> Job:
    return applied(queued(**given), lifecycle.claim("worker-0", 15.0, NOW))


def failed() -> Job:
    return applied(running(), lifecycle.fail(running(), HOPELESS, LATER))


def test_a_submitted_job_is_queued_claimable_at_once_and_has_seq_1() -> None:
    job = queued(deadline=LATER)
    assert (job.status, job.seq, job.attempt, job.fence) == (Status.QUEUED, 1, 0, 0)
    assert (job.created_at, job.run_after, job.deadline) == (NOW, NOW, LATER)
    assert (job.started_at, job.finished_at, job.worker, job.lease_until) == (None, None, None, None)
    assert (job.outputs, job.error, job.load_s, job.run_s) == ((), None, None, None)
    assert (job.input, job.metadata, job.units, job.steps) == ({"prompt": "a lighthouse"}, {"mine": 1}, 2, 8)


def test_a_claim_counts_attempt_and_fence_and_starts_a_lease() -> None:
    job = applied(queued(), lifecycle.claim("worker-0", 15.0, LATER))
    assert (job.status, job.seq, job.attempt, job.fence) == (Status.RUNNING, 2, 1, 1)
    assert (job.worker, job.started_at) == ("worker-0", LATER)
    assert job.lease_until == LATER + timedelta(seconds=15)


def test_a_claim_forgets_the_last_attempts_timings_and_its_cancel() -> None:
    before = replace(queued(), cancel_requested=True, load_s=1.0, run_s=2.0)
    job = applied(before, lifecycle.claim("worker-0", 15.0, NOW))
    assert (job.cancel_requested, job.load_s, job.run_s) == (False, None, None)


def test_success_publishes_outputs_and_timings_and_clears_the_last_fault() -> None:
    job = replace(running(), error=BROKEN)
    done = applied(job, lifecycle.succeed(job, [PICTURE], LATER, load_s=0.5, run_s=2.0))
    assert (done.status, done.outputs, done.error) == (Status.SUCCEEDED, (PICTURE,), None)
    assert (done.finished_at, done.lease_until, done.load_s, done.run_s) == (LATER, None, 0.5, 2.0)


def test_a_cancel_that_came_too_late_loses_to_success() -> None:
    job = applied(running(), lifecycle.cancel(running(), NOW))
    assert applied(job, lifecycle.succeed(job, [PICTURE], LATER)).status is Status.SUCCEEDED


def test_a_retryable_fault_queues_the_job_again_after_the_back_off() -> None:
    job = running()
    again = applied(job, lifecycle.fail(job, BROKEN, LATER))
    assert (again.status, again.run_after) == (Status.QUEUED, LATER + timedelta(seconds=1))
    assert (again.error, again.lease_until, again.finished_at) == (BROKEN, None, None)
    assert (again.attempt, again.max_attempts, again.strikes) == (1, 3, 1)


@pytest.mark.parametrize("fault", [BROKEN, HOPELESS])
def test_the_last_attempts_fault_is_final_and_a_hopeless_fault_is_final_at_once(fault: Fault) -> None:
    job = running(max_attempts=1 if fault.retryable else 3)
    gone = applied(job, lifecycle.fail(job, fault, LATER))
    assert (gone.status, gone.error) == (Status.FAILED, fault)
    assert (gone.finished_at, gone.lease_until, gone.strikes) == (LATER, None, 1)


def test_a_lost_job_runs_again_until_its_attempts_are_used_up() -> None:
    job = running(max_attempts=2)
    job = applied(job, lifecycle.lose(job, NOW))
    assert (job.status, job.error) == (Status.QUEUED, lifecycle.WORKER_LOST)
    job = applied(job, lifecycle.claim("worker-1", 15.0, LATER))
    job = applied(job, lifecycle.lose(job, LATER))
    assert (job.status, job.error, job.strikes) == (Status.FAILED, lifecycle.WORKER_LOST, 2)


def test_a_job_lost_with_a_worker_that_is_known_to_be_dead_is_claimable_at_once() -> None:
    assert lifecycle.lose(running(), LATER).values["run_after"] > LATER
    assert lifecycle.lose(running(), LATER, at_once=True).values["run_after"] == LATER


def test_a_job_handed_back_is_claimable_at_once_and_keeps_as_many_attempts_as_it_had() -> None:
    job = running()
    back = applied(job, lifecycle.hand_back(job, LATER))
    assert (back.status, back.run_after, back.error) == (Status.QUEUED, LATER, lifecycle.HANDED_BACK)
    assert back.strikes == 0
    assert back.max_attempts - back.attempt == queued().max_attempts - queued().attempt


@pytest.mark.parametrize("end", ["fail", "fail for good", "lose", "hand back", "stop"])
def test_a_cancel_wins_over_every_ending_but_success(end: str) -> None:
    job = applied(running(), lifecycle.cancel(running(), NOW))
    assert job.cancel_requested
    ended = applied(job, ENDINGS[end](job, LATER))
    assert (ended.status, ended.error) == (Status.CANCELED, None)
    assert (ended.finished_at, ended.lease_until, ended.max_attempts) == (LATER, None, 3)


def test_a_queued_job_is_canceled_at_once_and_a_running_one_only_asked_to_stop_and_only_once() -> None:
    job = applied(queued(), lifecycle.cancel(queued(), LATER))
    assert (job.status, job.finished_at) == (Status.CANCELED, LATER)
    asked = applied(running(), lifecycle.cancel(running(), LATER))
    assert (asked.status, asked.cancel_requested, asked.seq) == (Status.RUNNING, True, 3)
    assert lifecycle.cancel(asked, LATER) is None


@pytest.mark.parametrize("status", sorted(FINAL))
def test_canceling_a_finished_job_means_nothing(status: Status) -> None:
    assert lifecycle.cancel(replace(queued(), status=status), NOW) is None


def test_a_job_not_started_by_its_deadline_expires_and_says_so() -> None:
    job = applied(queued(deadline=NOW), lifecycle.expire(LATER))
    assert (job.status, job.finished_at) == (Status.EXPIRED, LATER)
    assert job.error is not None
    assert (job.error.code, job.error.retryable) == ("deadline_exceeded", True)
    assert apply(running(deadline=NOW), lifecycle.expire(LATER)) is None, "it was started"


def test_a_retry_queues_the_job_again_with_one_attempt_more_and_no_trace_of_its_end() -> None:
    ended = replace(failed(), cancel_requested=True)
    job = applied(ended, lifecycle.retry(ended, LATER))
    assert (job.status, job.run_after, job.max_attempts) == (Status.QUEUED, LATER, 4)
    assert (job.error, job.finished_at, job.started_at, job.worker) == (None, None, None, None)
    assert not job.cancel_requested
    assert (job.attempt, job.fence) == (1, 1)


def test_the_retry_of_an_expired_job_clears_its_deadline_and_that_of_a_failed_one_keeps_it() -> None:
    expired = applied(queued(deadline=NOW), lifecycle.expire(LATER))
    assert applied(expired, lifecycle.retry(expired, LATER)).deadline is None
    job = running(deadline=LATER)
    job = applied(job, lifecycle.fail(job, HOPELESS, NOW))
    assert applied(job, lifecycle.retry(job, NOW)).deadline == LATER


@pytest.mark.parametrize("status", sorted(set(Status) - RETRYABLE))
def test_only_a_job_that_ended_without_a_result_can_be_retried(status: Status) -> None:
    job = replace(queued(), status=status)
    assert apply(job, lifecycle.retry(job, LATER)) is None


def test_the_back_off_doubles_from_one_second_up_to_ten() -> None:
    assert [backoff_s(attempt) for attempt in range(1, 8)] == [1, 2, 4, 8, 10, 10, 10]
    assert backoff_s(1_000_000) == 10


def test_the_chart_of_transitions_names_only_states_that_exist_and_leaves_success_for_good() -> None:
    assert len(set(TRANSITIONS)) == len(TRANSITIONS)
    assert not [verb for verb, before, _ in TRANSITIONS if before is Status.SUCCEEDED]
    assert {after for _, _, after in TRANSITIONS} == set(Status)


def test_the_chart_of_transitions_is_what_the_constructors_do() -> None:
    """Every change on offer, applied wherever its guards allow it, is the chart: no arrow more, none less."""
    seen = set()
    for status in Status:
        for asked, needs in product((False, True), ((), ("another",))):
            for most in (1, 3):
                job = replace(running(max_attempts=most), status=status, cancel_requested=asked, needs=needs)
                for change in changes_on_offer(job):
                    after = apply(job, change)
                    if after is not None:
                        seen.add((change.verb, status, after.status))
    assert seen == set(TRANSITIONS)


def changes_on_offer(job: Job) -> list[Change]:
    cancel = lifecycle.cancel(job, NOW)
    needs = [
        lifecycle.release(NOW),
        lifecycle.reuse(replace(job, outputs=(PICTURE,)), NOW),
        *(lifecycle.miss(policy, NOW) for policy in (IfNeedFails.FAIL, IfNeedFails.SKIP)),
    ]
    others = [lifecycle.claim("worker-0", 15.0, NOW), lifecycle.expire(NOW), lifecycle.retry(job, NOW), *needs]
    return [end(job, NOW) for end in ENDINGS.values()] + others + ([cancel] if cancel else [])
