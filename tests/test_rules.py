"""Rules on both databases: what follows from what happens to a job, each thing once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from forms.desk import Desk
from jobs.identity import new_id
from jobs.rules import DEPTH_MOST, Rule
from jobs.values import Event, Job, Lineage
from models.catalog import read_catalog
from storage.automation.rules import Rules, marked_for_rules
from storage.changes.consequences import Consequences
from storage.engine import Database
from storage.jobs.store import JobStore
from storage.tables import CONSEQUENCES
from storage.webhooks.deliveries import Deliveries
from tests.houses import House
from tests.query_plans import statements_of
from workers.automation.rules import RuleFollower

FOLLOW_UP = {"model": "noop", "input": {"prompt": "after ${job.id}"}, "metadata": {"outputs": "${job.outputs}"}}


class Ruled(House):
    """A house with rules, in which somebody works off the consequences."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.database = database
        self.rules = Rules(database)
        desk = Desk(read_catalog(diagnostics=True), 3, ())
        self.consequences = Consequences(database, [RuleFollower(desk)])

    def submit(self, **given: Any) -> str:
        """As those do who keep no rulebook."""
        with self.database.writing() as connection:
            (wanted,) = marked_for_rules(connection, [self.wanted(**given)])
        self.store.submit([wanted])
        return wanted.id

    def rule(self, *targets: dict[str, Any], on: Event = Event.COMPLETED, **given: Any) -> Rule:
        values: dict[str, Any] = {
            "id": new_id(),
            "tenant": "default",
            "name": new_id(),
            "event": on,
            "pattern": {"model": ["scenes"]},
            "targets": list(targets or [{"job": FOLLOW_UP}]),
            "enabled": True,
            "follows": True,
            "last_error": None,
            "created_at": datetime.now(UTC),
        }
        return self.rules.create(Rule(**values | given))

    def work_off(self) -> list[Job]:
        """What was made."""
        made: list[Job] = []
        while True:
            count, jobs = self.consequences.work_off()
            made += jobs
            if not count:
                return made

    def finish(self, job_id: str) -> Job:
        job = self.claim_one()
        assert job.id == job_id
        finished = self.succeed(job)
        assert finished is not None
        return finished

    def made_by(self, rule: Rule) -> Sequence[Job]:
        jobs = JobStore(self.database).list("default", limit=500)
        return [job for job in jobs if job.lineage.made_by == f"rule:{rule.id}"]


@pytest.fixture
def house(database: Database) -> Ruled:
    return Ruled(database)


def test_a_job_that_ends_and_fits_has_another_made_of_it(house: Ruled) -> None:
    rule = house.rule()
    job_id = house.submit()
    assert house.work_off() == []
    house.finish(job_id)
    (made,) = house.work_off()
    assert made.input == {"prompt": f"after {job_id}"}
    assert made.metadata == {"outputs": [f"job:{job_id}#0"]}
    assert (made.lineage.made_by, made.lineage.depth) == (f"rule:{rule.id}", 1)
    assert house.work_off() == []
    assert len(house.made_by(rule)) == 1


def test_one_that_does_not_fit_or_comes_before_the_rule_has_none(house: Ruled) -> None:
    early = house.submit()
    rule = house.rule(pattern={"status": ["failed"], "metadata": {"shot": [{"exists": True}]}})
    house.finish(early)
    plain, shot = house.submit(), house.submit(metadata={"shot": 1})
    house.finish(plain)
    house.finish(shot)
    other = house.submit(tenant="somebody else", metadata={"shot": 1})
    house.store.cancel(other)
    assert house.work_off() == []
    failing = house.submit(metadata={"shot": 2}, max_attempts=1)
    house.fail(house.claim_one())
    (made,) = house.work_off()
    assert made.input == {"prompt": f"after {failing}"}
    assert len(house.made_by(rule)) == 1


def test_submitted_and_started_are_followed_once_however_often_a_job_is_queued_again(house: Ruled) -> None:
    submitted = house.rule(on=Event.SUBMITTED, pattern={"model": ["scenes"], "status": ["queued"]})
    started = house.rule(on=Event.STARTED, pattern={"model": ["scenes"], "status": ["running"]})
    job_id = house.submit()
    assert [job.lineage.made_by for job in house.work_off()] == [f"rule:{submitted.id}"]
    house.hand_back(house.claim_one())
    house.claim_one()
    assert [job.lineage.made_by for job in house.work_off()] == [f"rule:{started.id}"]
    house.store.cancel(job_id)
    assert house.work_off() == []


def test_each_end_of_a_job_is_followed_once(house: Ruled) -> None:
    rule = house.rule()
    job_id = house.submit()
    for _ in range(2):
        house.store.cancel(job_id)
        house.store.retry(job_id)
    house.store.cancel(job_id)
    assert len(house.work_off()) == 3, "it was canceled three times"
    assert len(house.made_by(rule)) == 3


def test_several_couriers_at_once_make_each_job_once(house: Ruled, database: Database) -> None:
    rule = house.rule({"job": FOLLOW_UP}, {"job": FOLLOW_UP})
    for _ in range(20):
        house.submit()
    jobs = [house.claim_one() for _ in range(20)]
    houses = [Ruled(Database(database.url)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for job in jobs:
            house.succeed(job)
        list(pool.map(lambda one: one.work_off(), houses))
    for one in houses:
        one.database.close()
    prompts = [str(job.input["prompt"]) for job in house.made_by(rule)]
    assert len(prompts) == 40
    assert len(set(prompts)) == 20


def test_a_rule_that_follows_itself_comes_to_an_end(house: Ruled) -> None:
    rule = house.rule(on=Event.SUBMITTED, pattern={"status": [{"exists": True}]})
    house.submit()
    made = house.work_off()
    assert sorted(job.lineage.depth for job in made) == list(range(1, DEPTH_MOST + 1))
    told = house.rules.get(rule.id, "default")
    assert f"{DEPTH_MOST} rules" in (told.last_error or "")
    assert house.submit(lineage=Lineage(depth=DEPTH_MOST))
    assert house.work_off() == []


def test_a_target_that_does_not_fit_is_told_and_the_others_are_served(house: Ruled) -> None:
    bad = {"job": {"model": "noop", "input": {"prompt": "${job.metadata.title}"}}}
    gone = {"job": {"model": "gone", "input": {}}}
    lost = {"job": FOLLOW_UP | {"depends_on": ["01900000-0000-7000-8000-000000000000"]}}
    rule = house.rule(bad, gone, lost, {"job": FOLLOW_UP})
    job_id = house.submit()
    house.finish(job_id)
    assert len(house.work_off()) == 1
    assert f"at job {job_id}" in (house.rules.get(rule.id, "default").last_error or "")
    assert house.made_by(rule)[0].input == {"prompt": f"after {job_id}"}


def test_what_is_made_may_need_the_job_that_it_follows(house: Ruled) -> None:
    house.rule({"job": FOLLOW_UP | {"depends_on": ["${job.id}"]}}, on=Event.STARTED)
    job_id = house.submit()
    house.claim_one()
    (made,) = house.work_off()
    assert (made.status, made.needs) == ("waiting", (job_id,))


def test_a_group_can_follow(house: Ruled) -> None:
    rule = house.rule({"group": {"fan_out": {"input": {"prompt": "${job.id}"}, "models": ["noop"], "seeds": [1, 2]}}})
    job_id = house.submit()
    house.finish(job_id)
    made = house.work_off()
    assert [job.input for job in made] == [{"prompt": job_id, "seed": seed} for seed in (1, 2)]
    assert {(job.lineage.made_by, job.lineage.depth) for job in made} == {(f"rule:{rule.id}", 1)}
    assert len({job.lineage.group for job in made}) == 1


def test_a_webhook_is_told_of_the_event(house: Ruled, database: Database) -> None:
    for event in Event:
        house.rule({"webhook": {"url": "https://example.com/hook"}}, on=event)
    job_id = house.submit()
    house.work_off()
    house.finish(job_id)
    house.work_off()
    deliveries = Deliveries(database).list("default")
    assert sorted(one.event for one in deliveries) == ["completed", "started", "submitted"]
    assert {one.url for one in deliveries} == {"https://example.com/hook"}
    assert {one.job_id for one in deliveries} == {job_id}
    assert '"type":"job.completed"' in next(one.body for one in deliveries if one.event is Event.COMPLETED)


def test_a_rule_that_is_disabled_or_only_routes_costs_other_jobs_nothing(house: Ruled, database: Database) -> None:
    house.rule(enabled=False)
    house.rule({"route": {"priority": "batch"}}, on=Event.SUBMITTED, follows=False)
    house.finish(house.submit())
    with database.reading() as connection:
        assert connection.execute(select(CONSEQUENCES.c.id)).all() == []
    with statements_of(database) as statements:
        house.store.submit([house.wanted()])
    assert [one for one in statements if "rules" in one] == []


def test_a_job_answered_from_the_cache_is_submitted_and_completed(house: Ruled) -> None:
    for event in Event:
        house.rule(on=event)
    house.finish(house.submit(cache_key="same"))
    assert len(house.work_off()) == 3
    house.submit(cache_key="same")
    assert len(house.work_off()) == 2


def test_work_that_is_done_again_for_comparison_is_not_followed(house: Ruled) -> None:
    house.rule()
    for lineage in (Lineage(shadow_of=new_id()), Lineage(replay_of=new_id())):
        house.finish(house.submit(lineage=lineage))
    assert house.work_off() == []


def test_when_a_job_is_gone_nothing_follows(house: Ruled) -> None:
    house.rule()
    job_id = house.submit()
    house.finish(job_id)
    house.store.delete(job_id)
    assert house.work_off() == []
