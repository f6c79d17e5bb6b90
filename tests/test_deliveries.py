"""Deliveries of webhooks on both databases: who may try which, what follows from how a try went, and what is kept."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs.deliveries import Answer, Delivery, DeliveryStatus, settle
from jobs.errors import DeliveryNotFound
from jobs.identity import new_id
from jobs.values import Event, Webhook
from storage.engine import Database
from tests.outbox import House

WAITS = (5.0, 30.0, 120.0)


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


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
