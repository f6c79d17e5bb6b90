"""Deliveries of webhooks on both databases: which changes of a job announce something, who may try it, and what
follows from how a try went."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, update

from api.documents import JobDocument
from jobs import lifecycle
from jobs.deliveries import Answer, Delivery, DeliveryStatus, settle
from jobs.document import timestamp
from jobs.errors import DeliveryNotFound
from jobs.identity import new_id, new_job_id
from jobs.lifecycle import Change
from jobs.values import Event, Fault, Job, Priority, Status, Submission, Webhook
from storage.changing import change
from storage.claims import Claims, Ending
from storage.deliveries import Deliveries
from storage.engine import Database
from storage.jobs import JobStore
from storage.tables import DELIVERIES, JOBS

BOTH = Webhook("http://hooks.example/hook?token=t", (Event.STARTED, Event.COMPLETED))
DONE = Webhook("http://hooks.example/hook", (Event.COMPLETED,))
WAITS = (5.0, 30.0, 120.0)
GONE_WRONG = Fault("model_error", "It broke.", retryable=False)


class House:
    """Clients, workers and couriers at one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = JobStore(database)
        self.claims = Claims(database)
        self.deliveries = Deliveries(database)

    def submit(self, webhook: Webhook | None = BOTH, **given: Any) -> str:
        which = (new_job_id(), "default", "default", "scenes", "1", Priority.INTERACTIVE)
        wanted = replace(Submission(*which, {"prompt": "ä"}, {"mine": 1}, "k", 1, 8, 3), webhook=webhook, **given)
        self.store.submit([wanted])
        return wanted.id

    def claim(self, room: int = 0) -> list[Job]:
        return self.claims.claim("default", "worker-0", 60.0, lambda _: room)

    def run(self, job_id: str, ending: Callable[[Job, datetime], Change]) -> None:
        """The job, claimed and brought to that end."""
        (job,) = self.claim()
        assert job.id == job_id
        assert self.claims.conclude([Ending(job.id, job.fence, ending)])[0] is not None

    def succeeded(self, webhook: Webhook | None = DONE, **given: Any) -> str:
        job_id = self.submit(webhook, **given)
        self.run(job_id, succeed)
        return job_id

    def listed(self, **chosen: Any) -> list[Delivery]:
        return self.deliveries.list("default", **chosen)

    def events(self, job_id: str) -> list[str]:
        """What was announced of a job, oldest first."""
        return [one.event.value for one in reversed(self.listed(job_id=job_id))]

    def rewrite(self, delivery_id: str, **values: Any) -> None:
        with self.database.writing() as connection:
            connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == delivery_id).values(values))


def succeed(job: Job, now: datetime) -> Change:
    return lifecycle.succeed(job, [], now)


def fail(job: Job, now: datetime) -> Change:
    return lifecycle.fail(job, GONE_WRONG, now)


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


def test_a_start_and_an_end_are_announced_once_each(house: House) -> None:
    job_id = house.submit()
    assert house.events(job_id) == []
    house.run(job_id, succeed)
    assert house.events(job_id) == ["started", "completed"]


def test_only_the_events_that_were_asked_for_are_announced(house: House) -> None:
    assert house.events(house.succeeded(DONE)) == ["completed"]
    assert house.events(house.succeeded(Webhook("http://hooks.example", (Event.STARTED,)))) == ["started"]


def test_every_final_state_is_a_completion(house: House) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    canceled, failed, stopped = house.submit(DONE), house.submit(DONE), house.submit(DONE)
    house.store.cancel(canceled)
    house.run(failed, fail)
    (running,) = house.claim()
    house.store.cancel(stopped)
    house.claims.conclude([Ending(stopped, running.fence, lifecycle.stop)])
    expired = house.submit(DONE, deadline=past)
    house.claims.expire_overdue()
    for job_id, status in ((canceled, "canceled"), (failed, "failed"), (stopped, "canceled"), (expired, "expired")):
        (delivery,) = house.listed(job_id=job_id)
        assert json.loads(delivery.body)["data"]["status"] == status


def test_a_job_without_a_webhook_costs_no_statement(house: House) -> None:
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(house.database.engine, "before_cursor_execute", note)
    job_id = house.succeeded(None)
    without = len(seen)
    assert not any("deliveries" in statement for statement in seen)
    house.succeeded(BOTH)
    assert len(seen) - without == without + 2, "with one, an insert at the start and one at the end"
    house.store.delete(job_id)
    assert not any("DELETE FROM deliveries" in statement for statement in seen)
    event.remove(house.database.engine, "before_cursor_execute", note)


def test_what_is_not_committed_is_not_announced(house: House) -> None:
    job_id = house.submit()

    def claim_and_stumble() -> None:
        with house.database.writing() as connection:
            assert change(connection, job_id, lifecycle.claim("worker-0", 60.0, datetime.now(UTC)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        claim_and_stumble()
    assert house.events(job_id) == []
    assert house.store.get(job_id).status is Status.QUEUED


def test_only_the_first_claim_is_a_start(house: House) -> None:
    job_id = house.submit()
    house.run(job_id, lifecycle.hand_back)
    house.run(job_id, lambda job, now: lifecycle.fail(job, replace(GONE_WRONG, retryable=True), now))
    assert house.events(job_id) == ["started"]
    house.store.cancel(job_id)
    house.store.retry(job_id)
    house.run(job_id, succeed)
    assert house.events(job_id) == ["started", "completed", "completed"]


def test_a_cancel_that_is_only_asked_for_announces_nothing(house: House) -> None:
    job_id = house.submit()
    house.claim()
    house.store.cancel(job_id)
    assert house.events(job_id) == ["started"]


def test_a_retry_that_ends_again_is_a_delivery_of_its_own(house: House) -> None:
    job_id = house.submit(DONE)
    house.run(job_id, fail)
    house.store.retry(job_id)
    house.run(job_id, succeed)
    second, first = house.listed(job_id=job_id)
    assert first.id != second.id
    assert [json.loads(one.body)["data"]["status"] for one in (first, second)] == ["failed", "succeeded"]


def test_every_member_of_a_batch_is_announced(house: House) -> None:
    jobs = [house.submit(), house.submit(None), house.submit()]
    assert len(house.claim(room=2)) == 3
    assert [house.events(job_id) for job_id in jobs] == [["started"], [], ["started"]]


def test_the_body_says_the_job_as_it_stood_at_the_event(house: House) -> None:
    job_id = house.submit()
    house.run(job_id, succeed)
    job = house.store.get(job_id)
    completed, started = (json.loads(one.body) for one in house.listed(job_id=job_id))
    assert (started["type"], completed["type"]) == ("job.started", "job.completed")
    assert (started["data"]["status"], completed["data"]["status"]) == ("running", "succeeded")
    assert (started["data"]["seq"], completed["data"]["seq"]) == (2, 3)
    assert started["timestamp"] == started["data"]["started_at"] == timestamp(job.started_at)
    assert completed["timestamp"] == completed["data"]["finished_at"] == timestamp(job.finished_at)
    for said in (started, completed):
        assert set(said) == {"type", "timestamp", "data"}
        JobDocument.model_validate(said["data"])
    assert completed["data"]["input"] == {"prompt": "ä"}


def test_two_couriers_never_hold_the_same_delivery(house: House) -> None:
    wanted = {house.listed(job_id=house.succeeded())[0].id for _ in range(24)}
    couriers = [House(Database(house.database.url)) for _ in range(4)]

    def take(number: int) -> str | None:
        delivery = couriers[number % 4].deliveries.claim(60.0)
        return delivery.id if delivery else None

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(take, range(40)))
    for courier in couriers:
        courier.database.close()
    held = [one for one in taken if one]
    assert len(held) == len(set(held)) <= 24
    while last := house.deliveries.claim(60.0):  # PostgreSQL may pass over what another transaction looks at
        held.append(last.id)
    assert sorted(held) == sorted(wanted)


def test_what_has_been_due_for_longest_goes_first(house: House) -> None:
    first, second, third = [house.listed(job_id=house.succeeded())[0] for _ in range(3)]
    now = datetime.now(UTC)
    house.rewrite(first.id, next_try_at=now + timedelta(hours=1))
    house.rewrite(third.id, next_try_at=now - timedelta(hours=1))
    assert house.deliveries.due(10) == [third.id, second.id]
    taken = [house.deliveries.claim(60.0) for _ in range(3)]
    assert [one and one.id for one in taken] == [third.id, second.id, None]


def test_hosts_that_are_busy_are_left_alone(house: House) -> None:
    house.succeeded(Webhook("https://slow.example:8443/x", (Event.COMPLETED,)))
    house.succeeded(Webhook("https://Quick.example/x", (Event.COMPLETED,)))
    quick = house.deliveries.claim(60.0, without=["slow.example"])
    assert quick is not None
    assert quick.host == "quick.example"
    assert house.deliveries.claim(60.0, without=["slow.example"]) is None
    assert house.deliveries.claim(60.0) is not None


def test_a_courier_whose_lease_has_passed_on_writes_nothing(house: House) -> None:
    house.succeeded()
    dead = house.deliveries.claim(0.05)
    assert dead is not None
    assert house.deliveries.claim(60.0) is None, "one holds it"
    time.sleep(0.1)
    heir = house.deliveries.claim(60.0)
    assert heir is not None
    assert (heir.id, heir.body, heir.tries) == (dead.id, dead.body, 2)
    assert not house.deliveries.conclude(dead, Answer(500), WAITS, 1.0)
    assert house.deliveries.conclude(heir, Answer(200), WAITS, 1.0)
    assert house.listed()[0].status is DeliveryStatus.DELIVERED


def test_a_failed_try_is_written_down_and_made_again_later(house: House) -> None:
    house.succeeded()
    tried = house.deliveries.claim(60.0)
    assert tried is not None
    house.deliveries.conclude(tried, Answer(None, "ConnectionRefusedError"), WAITS, 1.0)
    (failed,) = house.listed()
    assert (failed.status, failed.tries, failed.last_error) == (DeliveryStatus.PENDING, 1, "ConnectionRefusedError")
    assert failed.next_try_at is not None
    assert failed.last_tried_at is not None
    assert failed.next_try_at - failed.last_tried_at >= timedelta(seconds=5)
    assert house.deliveries.claim(60.0) is None
    house.rewrite(failed.id, next_try_at=datetime.now(UTC))
    again = house.deliveries.claim(60.0)
    assert again is not None
    house.deliveries.conclude(again, Answer(204), WAITS, 1.0)
    (delivered,) = house.listed()
    assert (delivered.status, delivered.tries, delivered.last_status) == (DeliveryStatus.DELIVERED, 2, 204)
    assert (delivered.last_error, delivered.next_try_at, delivered.lease_until) == (None, None, None)
    assert delivered.finished_at is not None


def tried(tries: int, answer: Answer, spread: float = 1.0) -> dict[str, Any]:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    given: dict[str, Any] = dict.fromkeys(Delivery.__dataclass_fields__)
    written = settle(Delivery(**given | {"tries": tries}), answer, WAITS, spread, now)
    if written.get("next_try_at"):
        written["next_try_at"] = (written["next_try_at"] - now).total_seconds()
    return written


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_any_2xx_is_a_delivery(code: int) -> None:
    assert tried(1, Answer(code))["status"] == "delivered"


@pytest.mark.parametrize("code", [101, 199, 300, 302, 304, 400, 401, 404, 409, 429, 500, 503, 599, None])
def test_anything_else_is_tried_again_after_each_wait_and_then_given_up(code: int | None) -> None:
    waits = [tried(tries, Answer(code, "why"))["next_try_at"] for tries in (1, 2, 3)]
    assert waits == [5.0, 30.0, 120.0]
    assert tried(4, Answer(code))["status"] == "dead"


def test_a_receiver_that_says_gone_is_not_asked_again() -> None:
    assert tried(1, Answer(410))["status"] == "dead"


def test_waits_are_spread_so_that_what_failed_together_is_not_tried_together() -> None:
    assert tried(2, Answer(500), 0.9)["next_try_at"] == 27.0
    assert tried(2, Answer(500), 1.1)["next_try_at"] == 33.0


def test_a_dead_delivery_can_be_delivered_again_with_all_its_tries(house: House) -> None:
    house.succeeded()
    tried = house.deliveries.claim(60.0)
    assert tried is not None
    house.deliveries.conclude(tried, Answer(410), WAITS, 1.0)
    assert house.listed()[0].status is DeliveryStatus.DEAD
    again = house.deliveries.redeliver(tried.id, "default")
    assert (again.status, again.tries, again.finished_at) == (DeliveryStatus.PENDING, 0, None)
    claimed = house.deliveries.claim(60.0)
    assert claimed is not None
    assert (claimed.id, claimed.body, claimed.tries) == (tried.id, tried.body, 1)
    assert claimed.fence > tried.fence


def test_what_is_just_being_tried_is_not_tried_twice_at_a_time(house: House) -> None:
    house.succeeded()
    held = house.deliveries.claim(60.0)
    assert held is not None
    house.deliveries.redeliver(held.id, "default")
    assert house.deliveries.claim(60.0) is None
    assert house.deliveries.due(10) == []


def test_deliveries_are_chosen_by_status_job_and_age_and_redelivered_after_a_dry_run(house: House) -> None:
    jobs = [house.succeeded() for _ in range(4)]
    one, two, three, _ = [house.listed(job_id=job_id)[0] for job_id in jobs]
    now = datetime.now(UTC)
    for dead in (one, two, three):
        house.rewrite(dead.id, status="dead", next_try_at=None, finished_at=now)
    house.rewrite(one.id, created_at=now - timedelta(hours=2))
    assert {d.id for d in house.listed(status=DeliveryStatus.DEAD)} == {one.id, two.id, three.id}
    chosen = {"status": DeliveryStatus.DEAD, "job_id": None, "since": now - timedelta(hours=1)}
    assert {d.id for d in house.listed(**chosen)} == {two.id, three.id}
    assert house.deliveries.redeliver_all("default", **chosen, dry_run=True) == 2
    assert len(house.deliveries.due(10)) == 1
    assert house.deliveries.redeliver_all("other", **chosen, dry_run=False) == 0
    assert house.deliveries.redeliver_all("default", **chosen | {"job_id": jobs[1]}, dry_run=False) == 1
    assert house.deliveries.redeliver_all("default", **chosen, dry_run=False) == 1
    assert [d.id for d in house.listed(status=DeliveryStatus.DEAD)] == [one.id]


def test_pages_go_from_the_newest_to_the_oldest(house: House) -> None:
    for _ in range(5):
        house.succeeded()
    ids = [one.id for one in house.listed()]
    assert ids == sorted(ids, reverse=True)
    assert [one.id for one in house.listed(limit=2)] == ids[:2]
    assert [one.id for one in house.listed(limit=2, before_id=ids[1])] == ids[2:4]


def test_another_tenant_s_deliveries_are_not_there(house: House) -> None:
    mine = house.listed(job_id=house.succeeded())[0]
    for ask in (house.deliveries.get, house.deliveries.redeliver):
        with pytest.raises(DeliveryNotFound):
            ask(mine.id, "other")
        with pytest.raises(DeliveryNotFound):
            ask(new_id(), "default")
    assert house.deliveries.list("other") == []
    assert house.deliveries.get(mine.id, "default") == mine


def test_what_was_finished_long_ago_is_forgotten_and_what_is_pending_is_not(house: House) -> None:
    old, dead, fresh, pending = [house.listed(job_id=house.succeeded())[0] for _ in range(4)]
    now = datetime.now(UTC)
    for one, status, age_h in ((old, "delivered", 2), (dead, "dead", 2), (fresh, "delivered", 0)):
        moment = now - timedelta(hours=age_h)
        house.rewrite(one.id, status=status, finished_at=moment, next_try_at=None)
    house.rewrite(pending.id, created_at=now - timedelta(days=30))
    assert house.deliveries.retire(3600.0) == 2
    assert {one.id for one in house.listed()} == {fresh.id, pending.id}


def test_a_job_that_is_forgotten_for_its_age_is_still_announced(house: House) -> None:
    job_id = house.succeeded()
    with house.database.writing() as connection:
        _age(connection, job_id)
    assert house.claims.retire(3600.0) == 1
    assert house.events(job_id) == ["completed"]


def test_with_a_job_that_its_client_deletes_goes_what_was_to_be_said_of_it(house: House) -> None:
    kept, deleted = house.succeeded(), house.succeeded()
    house.store.delete(deleted)
    assert house.events(deleted) == []
    assert house.events(kept) == ["completed"]


def _age(connection: Connection, job_id: str) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    connection.execute(JOBS.update().where(JOBS.c.id == job_id).values(finished_at=long_ago))
