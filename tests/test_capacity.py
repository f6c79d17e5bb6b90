"""What a device is known to bear, and whether work arrives: what workers learn from their own batches."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from jobs import lifecycle
from jobs.identity import new_job_id
from jobs.values import Job, Priority, Submission
from models.capacity import Capacities
from workers.choosing.arrivals import Arrivals

KIND, OTHER = ("scenes@1", (256, 256)), ("scenes@1", (384, 384))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(created_at: datetime, batch_key: str = "k") -> Job:
    which = (new_job_id(), "default", "default", "scenes", "1", Priority.INTERACTIVE)
    submitted = lifecycle.submit(Submission(*which, {"prompt": "a"}, {}, batch_key, 1, 8, 3), created_at)
    return replace(submitted, created_at=created_at)


def test_nothing_is_bounded_before_anything_failed() -> None:
    capacities = Capacities()
    capacities.note_worked(KIND, 8)
    assert capacities.most(KIND) is None


def test_after_a_failure_the_largest_batch_that_worked_is_the_bound() -> None:
    capacities = Capacities()
    capacities.note_worked(KIND, 5)
    capacities.note_worked(KIND, 2)
    capacities.note_failed(KIND, 8)
    assert (capacities.most(KIND), capacities.most(OTHER)) == (5, None)


def test_where_nothing_worked_yet_half_is_tried_and_one_at_the_least() -> None:
    capacities = Capacities()
    tried = []
    for failed in (8, 4, 2, 1):
        capacities.note_failed(KIND, failed)
        tried.append(capacities.most(KIND))
    assert tried == [4, 2, 1, 1]


def test_what_failed_once_and_worked_later_bounds_no_more() -> None:
    capacities = Capacities()
    capacities.note_failed(KIND, 4)
    capacities.note_worked(KIND, 4)
    assert capacities.most(KIND) is None


def test_what_worked_once_and_fails_now_is_believed() -> None:
    capacities = Capacities()
    capacities.note_worked(KIND, 8)
    capacities.note_failed(KIND, 4)
    assert capacities.most(KIND) == 2


def test_shapes_that_clients_choose_are_forgotten_in_the_end() -> None:
    capacities = Capacities()
    for number in range(3000):
        capacities.note_failed(("m", (number,)), 8)
    assert (capacities.most(("m", (0,))), capacities.most(("m", (2999,)))) == (None, 4)


def test_several_young_jobs_of_a_key_are_a_stream_and_one_or_old_ones_are_not() -> None:
    arrivals = Arrivals()
    arrivals.note([job(NOW - timedelta(seconds=0.3)), job(NOW - timedelta(seconds=5)), job(NOW, "another")])
    assert not arrivals.continue_for("k", NOW)
    arrivals.note([job(NOW)])
    assert arrivals.continue_for("k", NOW)
    assert not arrivals.continue_for("k", NOW + timedelta(seconds=2))
