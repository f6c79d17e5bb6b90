"""Forecasts: the pure simulation, and positions and times of arrival over a real stack."""

import random
from dataclasses import replace

import pytest

from jobs.forecast import Running, Waiting, forecast
from tests.servers import wait_until
from tests.stacks import RunningStack
from tests.test_mailbox import JOB
from workers.choosing.pace import Paces

PACES = {"m": (2.0, 0.0, 0.5)}  # two seconds for each unit of work, half a second for any batch


def waiting(*works: float, key: str | None = None) -> list[Waiting]:
    return [Waiting(f"job-{number}", "m", work, 1, key, 1) for number, work in enumerate(works)]


def etas(jobs: list[Waiting], running: list[Running], workers: list[str], most: int = 1) -> list[float | None]:
    places = forecast(jobs, running, workers, PACES, {"m": most})
    assert [places[job.job_id].position for job in jobs] == list(range(1, len(jobs) + 1))
    return [places[job.job_id].eta_s for job in jobs]


def test_one_worker_does_one_job_after_the_other() -> None:
    assert etas(waiting(1, 1, 2), [], ["a"]) == [2.5, 5.0, 9.5]


def test_two_workers_share_the_queue() -> None:
    assert etas(waiting(1, 1, 1), [], ["a", "b"]) == [2.5, 2.5, 5.0]


def test_companions_of_one_batch_finish_together() -> None:
    assert etas(waiting(1, 1, 1, key="k"), [], ["a"], most=2) == [4.5, 4.5, 7.0]


def test_what_runs_is_finished_first_by_its_steps_or_else_by_the_clock() -> None:
    half_done = Running("r", 2, "m", 1.0, 1, "a", 60.0, 0.5)
    assert etas(waiting(1), [half_done], ["a"]) == [1.25 + 2.5]
    not_begun = Running("r", 2, "m", 1.0, 1, "a", 1.0, 0.0)
    assert etas(waiting(1), [not_begun], ["a"]) == [1.5 + 2.5]
    assert forecast([], [half_done], ["a"], PACES, {})["r"].eta_s == 1.25


def test_nobody_can_tell_without_workers_or_behind_a_model_never_seen() -> None:
    assert etas(waiting(1), [], []) == [None]
    unknown = Waiting("x", "other", 1.0, 1, None, 1)
    places = forecast([*waiting(1), unknown, Waiting("y", "m", 1.0, 1, None, 1)], [], ["a"], PACES, {})
    assert [places[job_id].eta_s for job_id in ("job-0", "x", "y")] == [2.5, None, None]


def test_a_worker_learns_its_pace_also_how_little_more_a_fuller_batch_costs() -> None:
    """A batch takes a tenth of a second, twenty milliseconds a step, and one second a unit of work."""
    paces = Paces()
    chance = random.Random(1)
    for _ in range(40):
        steps, works = chance.choice((4, 8, 16)), [chance.random() for _ in range(chance.randint(1, 8))]
        paces.note("m", [replace(JOB, work=work, steps=steps) for work in works], 0.1 + 0.02 * steps + sum(works))
    assert paces.word()["m"] == pytest.approx((1.0, 0.02, 0.1), rel=0.2)


def test_while_all_batches_look_alike_the_work_explains_their_time() -> None:
    paces = Paces()
    paces.note("m", [replace(JOB, work=2.0, steps=8)], 4.0)
    assert paces.word()["m"] == pytest.approx((2.0, 0.0, 0.0))


def test_queued_jobs_know_their_position_and_move_up(stack: RunningStack) -> None:
    stack.finished(stack.submit(duration_s=0.2)["id"])
    held = stack.submit(duration_s=3.0, steps=30)
    stack.until_running(held["id"])
    queue = [stack.submit(duration_s=0.2)["id"] for _ in range(3)]
    assert [stack.get(job_id)["queue_position"] for job_id in queue] == [1, 2, 3]
    wait_until(lambda: stack.get(queue[0])["eta_s"] is not None, "the worker has told its pace")
    first, last = stack.get(queue[0]), stack.get(queue[2])
    assert 0 < first["eta_s"] < last["eta_s"] < 60
    assert stack.get(held["id"])["queue_position"] is None
    wait_until(lambda: (stack.get(queue[2])["queue_position"] or 0) < 3, "the last one moves up")
    done = stack.finished(queue[2])
    assert (done["queue_position"], done["eta_s"]) == (None, None)


@pytest.mark.parametrize("priority", ["interactive", "batch"])
def test_the_position_is_that_of_claim_order(stack: RunningStack, priority: str) -> None:
    held = stack.submit(duration_s=3.0)
    stack.until_running(held["id"])
    patient = stack.http.post("/v1/jobs", json={"model": "noop", "input": {"prompt": "x"}, "priority": "batch"})
    other = stack.http.post("/v1/jobs", json={"model": "noop", "input": {"prompt": "x"}, "priority": priority})
    positions = [stack.get(answer.json()["id"])["queue_position"] for answer in (patient, other)]
    assert positions == ([1, 2] if priority == "batch" else [2, 1])
    for answer in (patient, other):
        stack.finished(answer.json()["id"])
