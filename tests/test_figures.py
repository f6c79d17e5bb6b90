"""What an operator reads: counters and windows fed by the feed, and the depth of the queues."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import generate_latest
from sqlalchemy import event, insert, text, update

from api.watch.figures import STATUS_OF_VERB, WINDOW_S, Figures, Window
from jobs.identity import new_job_id
from jobs.lifecycle import TRANSITIONS
from jobs.values import FINAL, Event, Job, Priority, Submission, Webhook
from storage.changes.feed import Entry
from storage.changes.rows import row_of
from storage.claiming.claims import Claims
from storage.claiming.depths import Depth, read_deliveries_depth, read_depths
from storage.engine import Database
from storage.jobs.store import JobStore
from storage.tables import DELIVERIES, JOBS


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def figures() -> Figures:
    made = Figures(["noop"])
    made.note([])
    return made


def entry(verb: str, seconds: float | None = None, model: str = "noop") -> Entry:
    return Entry("a job", verb, model, seconds)


def told(made: Figures) -> dict[str, float]:
    lines = generate_latest(made.registry).decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def test_every_verb_that_ends_a_job_is_counted_under_the_status_it_ends_in() -> None:
    ends = {verb: after.value for verb, _, after in TRANSITIONS if after in FINAL}
    assert ends == STATUS_OF_VERB


def test_each_change_of_the_feed_is_counted_under_its_name() -> None:
    made = figures()
    for verb in ("submit", "claim", "retry later", "claim", "lose", "claim", "give up", "retry", "claim", "fail"):
        made.note([entry(verb)])
    seen = told(made)
    assert seen['safelight_accepted_total{model="noop"}'] == 1
    assert seen['safelight_attempts_total{model="noop"}'] == 4
    assert seen['safelight_retries_total{model="noop"}'] == 1
    assert seen['safelight_lost_leases_total{model="noop"}'] == 2
    assert seen['safelight_dead_letters_total{model="noop"}'] == 2
    assert seen['safelight_finished_total{model="noop",status="failed"}'] == 2
    assert seen['safelight_finished_total{model="noop",status="succeeded"}'] == 0


def test_waits_and_runs_are_measured_where_they_are_known() -> None:
    made = figures()
    made.note([entry("claim", 0.3), entry("claim"), entry("succeed", 7.0), entry("succeed")])
    seen = told(made)
    assert seen['safelight_wait_seconds_count{model="noop"}'] == 1
    assert seen['safelight_wait_seconds_bucket{le="0.25",model="noop"}'] == 0
    assert seen['safelight_wait_seconds_bucket{le="0.5",model="noop"}'] == 1
    assert (seen['safelight_run_seconds_sum{model="noop"}'], made.window.runs()["p50"]) == (7.0, 7.0)
    assert seen['safelight_finished_total{model="noop",status="succeeded"}'] == 2


def test_the_first_reading_of_the_feed_is_history_and_is_not_counted() -> None:
    made = Figures([])
    made.note([entry("submit")] * 200)
    made.note([entry("submit")])
    assert told(made)['safelight_accepted_total{model="noop"}'] == 1


def test_every_series_of_a_known_model_begins_at_nought() -> None:
    """Prometheus does not see the first dead letter of a series that begins at one."""
    seen = told(Figures(["scenes"]))
    assert seen['safelight_dead_letters_total{model="scenes"}'] == 0
    assert seen['safelight_finished_total{model="scenes",status="expired"}'] == 0


def test_two_processes_keep_registries_of_their_own() -> None:
    one, other = figures(), figures()
    one.note([entry("submit")])
    assert told(other)['safelight_accepted_total{model="noop"}'] == 0


def test_the_window_forgets_what_is_older_than_five_minutes() -> None:
    clock = Clock()
    window = Window(clock)
    assert window.waits() == {"p50": None, "p95": None}
    for _ in range(10):
        window.finished("succeeded")
        window.waited(1.0)
        clock.seconds += 60
    assert window.count() == {"succeeded": WINDOW_S // 60, "failed": 0, "canceled": 0, "expired": 0}
    assert window.jobs_per_minute() == 1.0
    clock.seconds += WINDOW_S
    assert window.count()["succeeded"] == 0
    assert window.waits()["p50"] is None


def test_a_young_window_reckons_by_the_time_it_has_seen() -> None:
    clock = Clock()
    window = Window(clock)
    window.finished("failed")
    clock.seconds += 30
    assert window.jobs_per_minute() == 2.0


def test_percentiles_are_of_what_was_measured() -> None:
    window = Window(Clock())
    for number in random.Random(3).sample(range(1, 101), 100):
        window.ran(float(number))
    assert window.runs() == {"p50": 50.0, "p95": 95.0}


def test_however_much_happens_the_window_stays_small_and_its_counts_exact() -> None:
    clock = Clock()
    window = Window(clock)
    for _ in range(30_000):
        clock.seconds += 0.001
        window.waited(1.0)
        window.finished("succeeded")
    assert window.count()["succeeded"] == 30_000
    assert len(window._waits) == 10_000
    assert len(window._finished) <= 31


def submit(database: Database, **given: Any) -> Job:
    which = (new_job_id(), "default", "default", "scenes", "1", Priority.INTERACTIVE)
    wanted = replace(Submission(*which, {"prompt": "a"}, {}, None, 1, 8, 3), **given)
    job = JobStore(database).submit([wanted])[0].job
    assert job is not None
    return job


def test_the_depth_of_each_queue_is_told_with_the_age_of_what_waits_longest(database: Database) -> None:
    assert read_depths(database) == {}
    submit(database)
    Claims(database).claim("default", "w", 60.0, lambda _: 0)
    old, young = submit(database), submit(database)
    submit(database, queue="large")
    postpone(database, old, timedelta(seconds=-90))
    postpone(database, young, timedelta(seconds=-30))
    depths = read_depths(database)
    assert (depths["default"].queued, depths["default"].running) == (2, 1)
    assert 90 <= (depths["default"].oldest_s or 0) < 150
    assert (depths["large"].queued, depths["large"].running) == (1, 0)


def test_a_job_in_its_back_off_is_queued_but_waits_for_no_worker(database: Database) -> None:
    postpone(database, submit(database), timedelta(seconds=60))
    assert read_depths(database) == {"default": Depth(queued=1, running=0, oldest_s=None)}


def postpone(database: Database, job: Job, by: timedelta) -> None:
    with database.writing() as connection:
        moment: datetime = database.now(connection) + by
        connection.execute(update(JOBS).where(JOBS.c.id == job.id).values(run_after=moment))


def test_the_depth_of_the_queues_costs_nothing_for_finished_jobs(database: Database) -> None:
    """Among 5,000 finished jobs each query finds its rows through an index that holds only unfinished ones."""
    job = submit(database)
    finished = row_of(job) | {"status": "succeeded", "finished_at": job.created_at}
    with database.writing() as connection:
        connection.execute(insert(JOBS), [finished | {"id": new_job_id()} for _ in range(5_000)])
        connection.execute(text("ANALYZE"))
    plans = plans_of(database, lambda: read_depths(database))
    assert len(plans) == 2
    assert "ix_jobs_claim" in plans[0], plans
    assert "ix_jobs_lease" in plans[1], plans
    assert not [plan for plan in plans if "Seq Scan" in plan]


def plans_of(database: Database, act: Any) -> list[str]:
    """How the database carries out each query on jobs that the act makes."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "FROM jobs" in statement:
            seen.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    act()
    event.remove(database.engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
    with database.reading() as connection:
        return [
            "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters))
            for statement, parameters in seen
        ]


def test_deliveries_that_are_due_are_counted_with_the_age_of_the_oldest(database: Database) -> None:
    assert read_deliveries_depth(database) == Depth()
    hook = Webhook("http://127.0.0.1:1/", (Event.COMPLETED,))
    for job in (submit(database, webhook=hook), submit(database, webhook=hook)):
        JobStore(database).cancel(job.id)
    with database.writing() as connection:
        due = database.now(connection) - timedelta(seconds=90)
        connection.execute(update(DELIVERIES).values(next_try_at=due))
    found = read_deliveries_depth(database)
    assert found.queued == 2
    assert 90 <= (found.oldest_s or 0) < 150
