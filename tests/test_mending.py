"""Retry and purge by filter: in storage on both databases, over HTTP and by the command against a real stack."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from api.shapes.documents import MendedDocument
from jobs import lifecycle
from jobs.identity import new_job_id
from jobs.values import Event, Fault, Job, Priority, Status, Submission, Webhook
from storage.changes.rows import row_of
from storage.claiming.claims import Claims, Ending
from storage.engine import Database
from storage.jobs.mending import Batch, Choice, Mending
from storage.jobs.store import JobStore
from storage.tables import CHANGES, JOBS
from storage.webhooks.deliveries import Deliveries
from tests.servers import wait_until
from tests.stacks import RunningStack
from tests.test_figures import plans_of

FAILED, CANCELED, EXPIRED = Status.FAILED, Status.CANCELED, Status.EXPIRED
HOPELESS = Fault("model_error", "It broke.", retryable=False)
IN_AN_HOUR = datetime.now(UTC) + timedelta(hours=1)


class House:
    """A database with jobs in every state that can be mended."""

    def __init__(self, database: Database) -> None:
        self.store, self.claims, self.mending = JobStore(database), Claims(database), Mending(database)
        self.database = database

    def submit(self, **given: Any) -> Job:
        which = (new_job_id(), "default", "default", "scenes", "1", Priority.INTERACTIVE)
        job = self.store.submit([replace(Submission(*which, {"prompt": "a"}, {}, None, 1, 8, 3), **given)])[0].job
        assert job is not None
        return job

    def ended(self, status: Status, **given: Any) -> str:
        job = self.submit(**given)
        if status is CANCELED:
            self.store.cancel(job.id)
        elif status is EXPIRED:
            with self.database.writing() as connection:
                late = self.database.now(connection) - timedelta(seconds=1)
                connection.execute(update(JOBS).where(JOBS.c.id == job.id).values(deadline=late))
            self.claims.expire_overdue()
        else:
            self._run(job, status)
        assert self.store.get(job.id).status is status
        return job.id

    def _run(self, job: Job, status: Status) -> None:
        (held,) = self.claims.claim(job.queue, "w", 60.0, lambda _: 0)
        assert held.id == job.id
        failed = status is FAILED
        self.claims.conclude(
            [
                Ending(
                    job.id,
                    held.fence,
                    lambda one, now: (
                        lifecycle.fail(one, HOPELESS, now) if failed else lifecycle.succeed(one, [], now)
                    ),
                )
            ]
        )

    def statuses(self) -> dict[str, str]:
        return {job.id: job.status.value for job in self.store.list("default", limit=1_000)}

    def announced(self) -> list[tuple[str, str]]:
        with self.database.reading() as connection:
            rows = connection.execute(select(CHANGES.c.verb, CHANGES.c.job_id).order_by(CHANGES.c.position))
            return [(row.verb, row.job_id) for row in rows]


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


def choose(*statuses: Status, **given: Any) -> Choice:
    return Choice("default", statuses, **given)


def ids(batch: Batch) -> list[str]:
    return sorted(job.id for job in batch.jobs)


def test_what_is_retried_is_queued_again_announced_and_may_be_claimed(house: House) -> None:
    failed, canceled, expired = house.ended(FAILED), house.ended(CANCELED), house.ended(EXPIRED)
    done, queued = house.ended(Status.SUCCEEDED), house.submit(priority=Priority.BATCH).id
    batch = house.mending.retry(choose(FAILED, CANCELED, EXPIRED), "", 10)
    assert (ids(batch), batch.count, batch.next_after) == ([failed, canceled, expired], 3, None)
    assert house.announced()[-3:] == [("retry", job_id) for job_id in (failed, canceled, expired)]
    assert house.claims.claimable("default", 10) == [failed, canceled, expired, queued]
    assert house.store.get(done).status is Status.SUCCEEDED
    again = house.store.get(failed)
    assert (again.error, again.finished_at, again.max_attempts, again.seq) == (None, None, 4, 4)


def test_a_retry_by_filter_clears_the_deadline_of_the_expired_and_of_nobody_else(house: House) -> None:
    expired, failed = house.ended(EXPIRED), house.ended(FAILED, deadline=IN_AN_HOUR)
    house.mending.retry(choose(EXPIRED, FAILED), "", 10)
    assert house.store.get(expired).deadline is None
    assert house.store.get(failed).deadline == IN_AN_HOUR


def test_only_what_matches_every_condition_is_chosen(house: House) -> None:
    wanted = house.ended(FAILED)
    other_model, other_tenant = house.ended(FAILED, model="noop"), house.ended(FAILED, tenant="theirs")
    canceled = house.ended(CANCELED)
    batch = house.mending.retry(
        choose(FAILED, model="scenes", ids=[wanted, other_model, other_tenant, canceled]), "", 9
    )
    assert ids(batch) == [wanted]
    assert house.store.get(other_tenant).status is FAILED


def test_since_and_before_are_moments_of_creation(house: House) -> None:
    jobs = [house.ended(FAILED) for _ in range(4)]
    created = [house.store.get(job_id).created_at for job_id in jobs]
    assert house.mending.count(choose(FAILED, since=created[1]), "", 9).count == 3
    assert house.mending.count(choose(FAILED, before=created[1]), "", 9).count == 1
    assert ids(house.mending.retry(choose(FAILED, since=created[1], before=created[3]), "", 9)) == jobs[1:3]


def test_a_walk_takes_each_job_once_though_it_fails_again_meanwhile(house: House) -> None:
    wanted = [house.ended(FAILED if number % 2 else CANCELED) for number in range(7)]
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        batch = house.mending.retry(choose(FAILED, CANCELED), after, 2)
        seen += [job.id for job in batch.jobs]
        after = batch.next_after
        for job in batch.jobs:
            house.store.cancel(job.id)
    assert sorted(seen) == wanted


def test_a_count_changes_nothing_and_says_where_the_next_page_begins(house: House) -> None:
    wanted = [house.ended(FAILED) for _ in range(5)]
    before, announced = house.statuses(), house.announced()
    first = house.mending.count(choose(FAILED), "", 3)
    assert (first.count, first.next_after) == (3, wanted[2])
    assert first.next_after is not None
    assert house.mending.count(choose(FAILED), first.next_after, 3) == Batch((), 2, None)
    assert (house.statuses(), house.announced()) == (before, announced)


def test_what_is_purged_is_gone_and_announced_and_nothing_unfinished_ever_is(house: House) -> None:
    failed, done = house.ended(FAILED), house.ended(Status.SUCCEEDED)
    queued = house.submit().id
    batch = house.mending.purge(choose(FAILED, Status.SUCCEEDED), "", 10)
    assert (ids(batch), batch.count) == ([failed, done], 2)
    assert house.statuses() == {queued: "queued"}
    assert house.announced()[-2:] == [("delete", failed), ("delete", done)]
    assert house.mending.purge(choose(FAILED, Status.SUCCEEDED), "", 10) == Batch([], 0, None)


def test_with_what_is_purged_goes_what_its_webhook_was_still_to_be_told(house: House) -> None:
    canceled = house.ended(CANCELED, webhook=Webhook("http://127.0.0.1:1/", (Event.COMPLETED,)))
    assert len(Deliveries(house.database).due(10)) == 1
    assert ids(house.mending.purge(choose(CANCELED), "", 10)) == [canceled]
    assert Deliveries(house.database).due(10) == []


def test_the_choice_walks_an_index_however_many_other_jobs_are_finished(house: House) -> None:
    model = row_of(house.submit()) | {"status": "succeeded", "finished_at": IN_AN_HOUR}
    with house.database.writing() as connection:
        connection.execute(insert(JOBS), [model | {"id": new_job_id()} for _ in range(5_000)])
        connection.execute(text("ANALYZE"))
    (plan,) = plans_of(house.database, lambda: house.mending.count(choose(FAILED, CANCELED), "", 9))
    assert plan.count("ix_jobs_tenant_status_id") == 2, plan
    assert "Seq Scan" not in plan


@pytest.fixture
def failures(stack: RunningStack) -> Iterator[list[str]]:
    """Three failed jobs of the shared stack; whatever has failed in it is gone afterwards."""
    everything = {"status": ["failed", "canceled", "expired"]}
    stack.http.post("/v1/jobs/purge", json=everything)
    made = [stack.submit(fail="error", fail_times=3)["id"] for _ in range(3)]
    for job_id in made:
        assert stack.finished(job_id)["status"] == "failed"
    yield made
    stack.http.post("/v1/jobs/purge", json=everything)


def mend(stack: RunningStack, verb: str, **body: Any) -> dict[str, Any]:
    answer = stack.http.post(f"/v1/jobs/{verb}", json=body)
    assert answer.status_code == 200, answer.text
    MendedDocument.model_validate(answer.json())
    return answer.json()


def test_a_retry_by_filter_over_http_runs_the_jobs_again(stack: RunningStack, failures: list[str]) -> None:
    chosen = {"status": ["failed"], "model": "noop", "since": "1h"}
    counted = mend(stack, "retry", **chosen, dry_run=True, limit=2)
    assert (counted["count"], counted["dry_run"], counted["more"]) == (2, True, True)
    assert {stack.get(job_id)["status"] for job_id in failures} == {"failed"}
    page = mend(stack, "retry", **chosen, limit=2)
    assert (page["count"], page["dry_run"], page["more"]) == (2, False, True)
    rest = mend(stack, "retry", **chosen, limit=2, cursor=page["next_cursor"])
    assert (rest["count"], rest["more"], rest["next_cursor"]) == (1, False, None)
    for job_id in failures:
        assert stack.finished(job_id)["status"] == "succeeded"


def test_a_purge_by_filter_over_http_forgets_the_jobs_and_their_artifacts(
    stack: RunningStack, failures: list[str]
) -> None:
    done = stack.finished(stack.submit(seed=4_711_001)["id"])
    assert mend(stack, "purge", status=["failed"], before="1d")["count"] == 0
    assert mend(stack, "purge", ids=[*failures, done["id"]])["count"] == 4
    for job_id in (*failures, done["id"]):
        assert stack.http.get(f"/v1/jobs/{job_id}").status_code == 404
    assert stack.http.get(done["outputs"][0]["url"]).status_code == 404
    key = done["outputs"][0]["url"].rsplit("/", 1)[1]
    assert (stack.folder / "artifacts" / "aside" / key).exists(), "its bytes go after a grace"


def test_a_long_poll_hears_at_once_that_its_job_was_purged(stack: RunningStack, failures: list[str]) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            stack.http.get, f"/v1/jobs/{failures[0]}", params={"wait": 60, "after": stack.get(failures[0])["seq"]}
        )
        wait_until(lambda: waiting.running(), "somebody waits")
        assert mend(stack, "purge", ids=failures)["count"] == 3
        assert waiting.result(30).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "status"),
        ({"status": []}, "status"),
        ({"status": ["succeeded"]}, "status.0"),
        ({"status": ["queued"]}, "status.0"),
        ({"status": "failed"}, "status"),
        ({"status": ["failed"], "everything": True}, "everything"),
        ({"status": ["failed"], "dry_run": "no"}, "dry_run"),
        ({"status": ["failed"], "limit": 0}, "limit"),
        ({"status": ["failed"], "limit": 10_001}, "limit"),
        ({"status": ["failed"], "limit": True}, "limit"),
        ({"status": ["failed"], "model": ""}, "model"),
        ({"status": ["failed"], "since": "yesterday"}, "since"),
        ({"status": ["failed"], "before": ""}, "before"),
        ({"status": ["failed"], "cursor": "nonsense"}, "cursor"),
        ({"ids": []}, "ids"),
        ({"ids": ["not an id"]}, "ids.0"),
        ({"ids": ["0197a000-0000-7000-8000-000000000001"] * 1_001}, "ids"),
    ],
)
def test_a_choice_that_is_not_valid_is_refused_and_names_the_field(
    stack: RunningStack, body: dict[str, Any], field: str
) -> None:
    answer = stack.http.post("/v1/jobs/retry", json=body)
    assert answer.status_code == 422, answer.text
    assert field in {fault["field"] for fault in answer.json()["errors"]}
