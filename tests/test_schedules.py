"""Schedules on both databases, with a clock that the test puts forward: which ticks run, and each of them once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from forms.desk import Desk
from jobs.errors import Conflict, InvalidInput, ScheduleNotFound
from jobs.identity import new_id
from jobs.rules import Rule
from jobs.schedules import CAUGHT_UP_MOST, CatchUp, Schedule, check_cron, due_ticks, next_tick
from jobs.values import Event, Job
from models.catalog import read_catalog
from storage.automation.rules import Rules
from storage.automation.schedules import Schedules
from storage.engine import Database
from storage.jobs.store import JobStore
from storage.tables import SCHEDULES
from workers.automation.timetable import Timetable

VIENNA = "Europe/Vienna"
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
JOB = {"model": "noop", "input": {"prompt": "at ${schedule.tick}"}}


def schedule(**given: Any) -> Schedule:
    values: dict[str, Any] = {
        "id": new_id(),
        "tenant": "t",
        "name": "every minute",
        "cron": "* * * * *",
        "timezone": VIENNA,
        "catch_up": CatchUp.LAST,
        "enabled": True,
        "template": {"job": JOB},
        "next_at": NOON,
        "last_at": None,
        "last_made_id": None,
        "last_error": None,
        "created_at": NOON,
    }
    return Schedule(**values | given)


def minutes(ticks: Sequence[datetime]) -> list[int]:
    return [int((tick - NOON) / MINUTE) for tick in ticks]


def local(cron: str, after: datetime, number: int) -> list[str]:
    ticks = []
    for _ in range(number):
        found = next_tick(cron, VIENNA, after)
        assert found is not None
        ticks.append(found.astimezone(SUMMER.tzinfo).isoformat()[5:16])
        after = found
    return ticks


SUMMER = datetime.fromisoformat("2026-03-29T00:30:00+00:00")  # half an hour before the clocks of Vienna go forward
WINTER = datetime.fromisoformat("2026-10-25T00:15:00+00:00")  # a quarter past two there, the first time


def test_a_tick_runs_when_it_has_come_and_not_before() -> None:
    assert due_ticks(schedule(), NOON - timedelta(microseconds=1)) == []
    assert due_ticks(schedule(), NOON) == [NOON]
    assert due_ticks(schedule(next_at=None), NOON) == []


def test_of_ticks_that_nobody_saw_none_the_last_or_all_run() -> None:
    late = NOON + 5 * MINUTE
    assert minutes(due_ticks(schedule(catch_up=CatchUp.NONE), late)) == [5], "the newest is in time"
    assert due_ticks(schedule(catch_up=CatchUp.NONE, cron="0 12 * * *"), late) == []
    assert minutes(due_ticks(schedule(catch_up=CatchUp.LAST), late + MINUTE / 2)) == [5]
    assert minutes(due_ticks(schedule(catch_up=CatchUp.ALL), late + MINUTE / 2)) == [0, 1, 2, 3, 4, 5]


def test_all_has_a_bound_and_a_year_of_seconds_takes_no_time() -> None:
    year = NOON + timedelta(days=365)
    passed = due_ticks(schedule(cron="* * * * * *", catch_up=CatchUp.ALL), year)
    assert passed == [year - timedelta(seconds=back) for back in reversed(range(CAUGHT_UP_MOST))]


def test_an_hour_that_is_left_out_or_comes_twice_is_treated_as_debians_cron_does() -> None:
    assert local("30 2 * * *", SUMMER, 2) == ["03-29T01:00", "03-30T00:30"], "at the end of the gap"
    assert local("0,30 2 * * *", SUMMER, 2) == ["03-29T01:00", "03-30T00:00"], "and but once there"
    assert local("30 2 * * *", WINTER, 2) == ["10-25T00:30", "10-26T01:30"], "the first of two"
    assert local("30 2 * * *", WINTER + timedelta(hours=1), 1) == ["10-26T01:30"]
    assert local("*/30 * * * *", SUMMER, 2) == ["03-29T01:00", "03-29T01:30"], "time goes on evenly"
    assert local("*/30 * * * *", WINTER, 4) == ["10-25T00:30", "10-25T01:00", "10-25T01:30", "10-25T02:00"]


def test_a_tick_in_the_hour_that_comes_twice_is_caught_up_on_in_its_second_half() -> None:
    due = schedule(cron="30 2 * * *", next_at=datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
    assert due_ticks(due, datetime(2026, 10, 25, 1, 10, tzinfo=UTC)) == [due.next_at]


@pytest.mark.parametrize(
    ("cron", "zone", "field"),
    [
        ("", "UTC", "cron"),
        ("* * * *", "UTC", "cron"),
        ("61 * * * *", "UTC", "cron"),
        ("@daily", "UTC", "cron"),
        ("0 0 31 2 *", "UTC", "cron"),
        ("²L * * * *", "UTC", "cron"),
        ("*," * 200 + "* * * * *", "UTC", "cron"),
        ("* * * * *", "Europe/Atlantis", "timezone"),
        ("* * * * *", "Europe", "timezone"),
        ("* * * * *", "localtime", "timezone"),
        ("* * * * *", "../../etc/passwd", "timezone"),
        ("* * * * *", "\0", "timezone"),
        ("* * * * *", "", "timezone"),
    ],
)
def test_a_clock_that_is_none_is_refused_by_name(cron: str, zone: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_cron(cron, zone, NOON)
    assert [fault.field for fault in refused.value.faults] == [field]


@pytest.fixture
def desk() -> Desk:
    return Desk(read_catalog(diagnostics=True), 3, ())


def hourly(**given: Any) -> Schedule:
    """An hour is longer than any test: no tick comes while one runs, but for those that are put back."""
    return schedule(**{"name": "every hour", "cron": "0 * * * *"} | given)


class Hand:
    """Puts the clock forward: as it seems to a schedule, whose next tick is put back in the database."""

    def __init__(self, database: Database, desk: Desk, max_queued: int = 1_000) -> None:
        self.database = database
        self.schedules = Schedules(database)
        self.timetable = Timetable(database, desk, max_queued)

    def due_since(self, made: Schedule, age: timedelta) -> datetime:
        """As if nobody had looked for so long. Returns the tick that was to come then."""
        tick = next_tick(made.cron, made.timezone, datetime.now(UTC) - age)
        with self.database.writing() as connection:
            connection.execute(update(SCHEDULES).where(SCHEDULES.c.id == made.id).values(next_at=tick))
        assert tick is not None
        return tick

    def jobs(self) -> list[Job]:
        return JobStore(self.database).list("t", limit=200)


def test_a_tick_makes_one_job_with_its_places_filled_and_the_schedule_moves_on(
    database: Database, desk: Desk
) -> None:
    hand = Hand(database, desk)
    made = hand.schedules.create(hourly())
    assert made.next_at is not None
    assert timedelta() < made.next_at - datetime.now(UTC) <= HOUR
    assert hand.timetable.fire_due() == []
    tick = hand.due_since(made, HOUR)
    (job,) = hand.timetable.fire_due()
    assert hand.timetable.fire_due() == []
    assert [one.id for one in hand.jobs()] == [job.id]
    assert job.input == {"prompt": f"at {tick:%Y-%m-%dT%H:%M:%S.%fZ}"}
    after = hand.schedules.get(made.id, "t")
    assert (after.last_made_id, after.last_at, after.last_error) == (job.id, tick, None)
    assert after.next_at == tick + HOUR


def test_a_schedule_that_nobody_can_read_any_more_keeps_no_other_from_its_tick(
    database: Database, desk: Desk
) -> None:
    hand = Hand(database, desk)
    broken, whole = hand.schedules.create(hourly(name="broken")), hand.schedules.create(hourly(id=new_id()))
    hand.due_since(broken, 3 * HOUR)
    hand.due_since(whole, HOUR)
    with database.writing() as connection:  # the host has other time zones than it had
        connection.execute(
            update(SCHEDULES).where(SCHEDULES.c.id == broken.id).values(timezone="Atlantis/Poseidonis")
        )
    assert [job.id for job in hand.timetable.fire_due()] == [job.id for job in hand.jobs()]
    assert [job.lineage.made_by for job in hand.jobs()] == [f"schedule:{whole.id}"]


def test_however_many_reapers_believe_that_they_lead_each_tick_runs_once(database: Database, desk: Desk) -> None:
    hand = Hand(database, desk)
    made = [hand.schedules.create(hourly(id=new_id(), name=str(number), catch_up=CatchUp.ALL)) for number in range(3)]
    for one in made:
        hand.due_since(one, 5 * HOUR)
    databases = [Database(database.url) for _ in range(4)]
    reapers = [Timetable(one, desk, 1_000) for one in databases]
    with ThreadPoolExecutor(4) as pool:
        fired = [job.id for jobs in pool.map(lambda reaper: reaper.fire_due(), reapers) for job in jobs]
    for one in databases:
        one.close()
    prompts = [str(job.input["prompt"]) for job in hand.jobs()]
    assert len(fired) == len(prompts)
    assert {prompts.count(prompt) for prompt in prompts} == {3}, "each of the three has made a job of each tick"
    assert len(set(prompts)) == 5


def test_a_reaper_that_looked_before_another_fired_makes_nothing(database: Database, desk: Desk) -> None:
    hand = Hand(database, desk)
    hand.due_since(hand.schedules.create(hourly()), HOUR)
    (stale,), _ = hand.schedules.due()
    assert len(hand.timetable.fire_due()) == 1
    assert hand.timetable._fire(stale, datetime.now(UTC)) == []
    assert len(hand.jobs()) == 1


def test_a_template_that_fits_no_longer_is_told_and_its_schedule_goes_on(database: Database, desk: Desk) -> None:
    hand = Hand(database, desk)
    made = hand.schedules.create(hourly(template={"job": JOB | {"model": "gone"}}))
    hand.due_since(made, HOUR)
    assert hand.timetable.fire_due() == []
    after = hand.schedules.get(made.id, "t")
    assert "gone" in (after.last_error or "")
    assert after.next_at is not None
    assert after.next_at > datetime.now(UTC)
    hand.schedules.change(made.id, "t", {"template": {"job": JOB}})
    hand.due_since(made, HOUR)
    assert len(hand.timetable.fire_due()) == 1
    assert hand.schedules.get(made.id, "t").last_error is None


def test_ticks_wait_while_as_many_jobs_are_queued_as_may_be(database: Database, desk: Desk) -> None:
    hand = Hand(database, desk, max_queued=1)
    one, other = (hand.schedules.create(hourly(id=new_id(), name=name)) for name in ("one", "other"))
    hand.due_since(one, HOUR)
    assert len(hand.timetable.fire_due()) == 1
    hand.due_since(other, HOUR)
    assert hand.timetable.fire_due() == []
    for job in hand.jobs():
        JobStore(database).cancel(job.id)
    assert len(hand.timetable.fire_due()) == 1


def test_a_tick_can_make_a_group(database: Database, desk: Desk) -> None:
    hand = Hand(database, desk)
    group = {"members": [JOB | {"name": "a"}, JOB | {"name": "b", "depends_on": ["a"]}]}
    made = hand.schedules.create(hourly(template={"group": group}))
    hand.due_since(made, HOUR)
    jobs = hand.timetable.fire_due()
    assert sorted(job.lineage.member or "" for job in jobs) == ["a", "b"]
    assert {job.lineage.made_by for job in jobs} == {f"schedule:{made.id}"}
    assert hand.schedules.get(made.id, "t").last_made_id == jobs[0].lineage.group
    hand.due_since(made, HOUR)
    assert hand.timetable.fire_due() == [], "the same tick again"
    lost = {"members": [JOB | {"depends_on": [new_id()]}]}
    hand.schedules.change(made.id, "t", {"template": {"group": lost}})
    hand.due_since(made, 30 * HOUR)
    assert hand.timetable.fire_due() == []
    assert hand.schedules.get(made.id, "t").last_error


def test_rules_follow_what_schedules_make(database: Database, desk: Desk) -> None:
    hand = Hand(database, desk)
    pattern, targets = {"made_by": [{"prefix": "schedule:"}]}, [{"job": JOB}]
    Rules(database).create(Rule(new_id(), "t", "r", Event.COMPLETED, pattern, targets, True, True, None, NOON))
    hand.due_since(hand.schedules.create(hourly()), HOUR)
    (job,) = hand.timetable.fire_due()
    assert job.consequential
    assert (job.lineage.made_by or "").startswith("schedule:")


def test_names_are_unique_and_schedules_belong_to_a_tenant(database: Database) -> None:
    store = Schedules(database)
    made = store.create(hourly())
    other = store.create(hourly(id=new_id(), name="other"))
    for clash in (lambda: store.create(hourly()), lambda: store.change(other.id, "t", {"name": made.name})):
        with pytest.raises(Conflict):
            clash()
    assert store.create(hourly(id=new_id(), tenant="u")).name == made.name
    assert [one.name for one in store.list("t")] == [made.name, "other"]
    for refused in (lambda: store.get(made.id, "u"), lambda: store.delete(made.id, "u")):
        with pytest.raises(ScheduleNotFound):
            refused()
    store.delete(made.id, "t")
    assert [one.name for one in store.list("t")] == ["other"]


def test_one_that_is_disabled_has_no_next_tick_and_enabled_again_begins_anew(database: Database, desk: Desk) -> None:
    hand = Hand(database, desk)
    made = hand.schedules.create(hourly(catch_up=CatchUp.ALL))
    hand.due_since(made, 10 * HOUR)
    assert hand.schedules.change(made.id, "t", {"name": "as before"}).next_at != made.next_at, "its clock is the same"
    assert hand.schedules.change(made.id, "t", {"enabled": False}).next_at is None
    assert hand.timetable.fire_due() == []
    again = hand.schedules.change(made.id, "t", {"enabled": True})
    assert again.next_at is not None
    assert again.next_at > datetime.now(UTC)
