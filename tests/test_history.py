"""What is kept of each attempt, who leads, and which circuits are open: on both databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Event

import pytest
from sqlalchemy import update

from jobs import lifecycle
from jobs.identity import new_job_id
from jobs.values import Fault, Job, Priority, Status, Submission
from storage.changes.changing import change
from storage.claiming.circuits import Circuits
from storage.claiming.claims import Claims, Ending
from storage.claiming.leadership import Leadership
from storage.engine import Database
from storage.jobs.settling import lock_jobs
from storage.jobs.store import JobStore
from storage.tables import CIRCUITS, JOBS, LEADERS
from tests.servers import wait_until


def submit(database: Database, model: str = "noop", batch_key: str | None = None) -> Job:
    wanted = Submission(
        id=new_job_id(),
        tenant="default",
        queue="default",
        model=model,
        model_version="1",
        priority=Priority.INTERACTIVE,
        input={"prompt": "x"},
        metadata={},
        batch_key=batch_key,
        units=1,
        steps=1,
        max_attempts=3,
    )
    job = JobStore(database).submit([wanted])[0].job
    assert job is not None
    return job


def claim(database: Database, worker: str = "w", room: int = 0) -> list[Job]:
    return Claims(database).claim("default", worker, 15.0, lambda _: room)


def end(database: Database, job: Job, how: Callable[[Job, datetime], lifecycle.Change]) -> Job | None:
    return Claims(database).conclude([Ending(job.id, job.fence, how)])[0]


def due_now(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(update(JOBS).values(run_after=database.now(connection)))


def broken(job: Job, now: datetime) -> lifecycle.Change:
    return lifecycle.fail(job, Fault("model_error", "a fault", True), now, "Traceback: here")


def test_every_attempt_is_kept_with_its_worker_its_error_and_its_times(database: Database) -> None:
    job = submit(database)
    end(database, claim(database, "first")[0], broken)
    due_now(database)
    claim(database, "second")
    Claims(database).release("second")
    due_now(database)
    end(database, claim(database, "third")[0], lambda held, now: lifecycle.succeed(held, [], now))
    kept = JobStore(database).attempts(job.id)
    assert [(one.number, one.worker, one.outcome) for one in kept] == [
        (1, "first", "retry later"),
        (2, "second", "lose"),
        (3, "third", "succeed"),
    ]
    assert [one.error and one.error.code for one in kept] == ["model_error", "worker_lost", None]
    assert kept[0].details == "Traceback: here"
    assert all(one.finished_at and one.finished_at >= one.started_at for one in kept)


def test_a_job_that_was_lost_runs_alone_but_one_that_was_handed_back_does_not(database: Database) -> None:
    for _ in range(3):
        submit(database, batch_key="same")
    held = claim(database, room=7)
    assert len(held) == 3
    for job in held[:2]:
        end(database, job, lifecycle.hand_back)
    Claims(database).release("w")
    due_now(database)
    again = [claim(database, room=7) for _ in range(2)]
    assert sorted(len(batch) for batch in again) == [1, 2]
    assert [job.strikes for batch in again for job in batch if len(batch) == 1] == [1]


def test_a_cancel_of_the_last_moment_is_not_lost_when_the_attempt_fails_or_is_handed_back(database: Database) -> None:
    for how in (broken, lifecycle.hand_back):
        job = submit(database)
        held = claim(database)[0]
        JobStore(database).cancel(job.id)
        after = end(database, held, how)
        assert after is not None
        assert after.status == "canceled"


def circuits(database: Database) -> Circuits:
    return Circuits(database, failures=3, window_s=60, open_s=60)


def test_a_circuit_opens_at_the_third_failure_and_its_jobs_wait_while_others_run(database: Database) -> None:
    submit(database, "broken")
    other = submit(database, "fine")
    for failure in range(3):
        assert circuits(database).all() == {}, failure
        circuits(database).failed("broken@1", "no weights")
    assert circuits(database).all()["broken@1"].state == "open"
    assert circuits(database).all()["broken@1"].reason == "no weights"
    assert [job.id for job in claim(database)] == [other.id]
    assert claim(database) == []
    assert Claims(database).claimable("default", 10) == [], "and nobody rings for them"


def half_open(database: Database) -> None:
    with database.writing() as connection:
        past = database.now(connection) - timedelta(seconds=1)
        connection.execute(update(CIRCUITS).values(open_until=past))


def test_one_job_alone_probes_a_half_open_circuit_and_closes_or_opens_it(database: Database) -> None:
    for _ in range(3):
        submit(database, "broken", batch_key="same")
        circuits(database).failed("broken@1", "no weights")
    half_open(database)
    assert circuits(database).all()["broken@1"].state == "half_open"
    assert len(claim(database, room=7)) == 1
    assert claim(database, room=7) == [], "one probe at a time"
    circuits(database).failed("broken@1", "still none")
    assert circuits(database).all()["broken@1"].state == "open"
    half_open(database)
    assert len(claim(database, room=7)) == 1
    circuits(database).worked("broken@1")
    assert circuits(database).all() == {}
    assert len(claim(database, room=7)) == 1


def test_failures_far_apart_do_not_open_a_circuit(database: Database) -> None:
    for _ in range(4):
        circuits(database).failed("broken@1", "now and then")
        with database.writing() as connection:
            long_ago = database.now(connection) - timedelta(hours=1)
            connection.execute(update(CIRCUITS).values(since=long_ago))
    assert circuits(database).all() == {}


def test_one_leads_until_it_resigns_or_is_silent_for_too_long(database: Database) -> None:
    first, second = (Leadership(database, "reaper", name, 60.0) for name in ("first", "second"))
    assert first.hold()
    assert first.hold()
    assert not second.hold()
    first.resign()
    assert second.hold()
    assert not first.hold()
    with database.writing() as connection:
        connection.execute(update(LEADERS).values(until=database.now(connection) - timedelta(seconds=1)))
    assert first.hold()


def test_finished_jobs_are_retired_after_their_time_and_unfinished_ones_never(database: Database) -> None:
    done, waiting = submit(database), submit(database)
    JobStore(database).cancel(done.id)
    assert Claims(database).retire(3600) == 0
    wait_until(lambda: Claims(database).retire(0) == 1, "its time has come")
    assert [job.id for job in JobStore(database).list("default")] == [waiting.id]


def test_a_job_that_is_retried_while_old_ones_are_forgotten_is_kept(database: Database) -> None:
    job = submit(database)
    store = JobStore(database)
    store.cancel(job.id)
    read, retiring = Event(), Event()

    def retry() -> None:
        """As a retry does, but it takes its time."""
        with database.writing() as connection:
            lock_jobs(connection, [job.id])
            read.set()
            retiring.wait(0.5)
            now = database.now(connection)
            assert change(connection, job.id, lifecycle.retry(replace(job, status=Status.CANCELED), now))

    with ThreadPoolExecutor(1) as pool:
        retried = pool.submit(retry)
        assert read.wait(10.0)
        assert Claims(database).retire(-1.0) == 0
        retried.result()
    assert store.get(job.id).status is Status.QUEUED


@pytest.mark.parametrize("most", [1, 3, 10])
def test_the_queue_is_counted_no_further_than_asked(database: Database, most: int) -> None:
    for _ in range(3):
        submit(database)
    assert JobStore(database).queued(most) == min(3, most)
