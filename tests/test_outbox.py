"""The outbox of webhooks on both databases: which changes of a job announce what, and in which transaction."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event

from api.shapes.documents import JobDocument
from jobs import lifecycle
from jobs.document import timestamp
from jobs.values import Event, Status, Webhook
from storage.changes.changing import change
from storage.claiming.claims import Ending
from storage.engine import Database
from storage.tables import JOBS
from tests.outbox import BOTH, DONE, GONE_WRONG, House, fail, succeed


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
