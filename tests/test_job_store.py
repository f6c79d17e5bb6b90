"""The job store on both databases: submit, read, list, cancel, retry, delete, and whose job it is."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from jobs import lifecycle
from jobs.errors import Conflict, JobNotFound, StoreUnavailable
from jobs.identity import new_job_id
from jobs.lifecycle import Change
from jobs.values import Fault, Job, Output, Priority, Status, Submission
from storage.claiming.claims import Claims, Ending
from storage.engine import Database
from storage.jobs.store import JobStore
from storage.tables import ARTIFACTS, CHANGES, IDEMPOTENCY, JOBS

PICTURE = Output("ab.png", "ab", "image/png", 7, 16, 8, None, 3)
OTHER = Output("cd.png", "cd", "image/png", 9, 16, 8, 1.5, (1 << 63) - 1)
HOPELESS = Fault("model_unknown", "There is no such model.", retryable=False)


@pytest.fixture
def store(database: Database) -> JobStore:
    return JobStore(database)


def wanted(**given: Any) -> Submission:
    """Of tenant, queue, model and version; no batch; one output in 8 steps; in at most 3 attempts."""
    which = (new_job_id(), "default", "default", "scenes", "1", Priority.INTERACTIVE)
    return replace(Submission(*which, {"prompt": "a"}, {}, None, 1, 8, 3), **given)


def submitted(store: JobStore, **given: Any) -> Job:
    job = store.submit([wanted(**given)])[0].job
    assert job is not None
    return job


def claimed(store: JobStore, job: Job) -> Job:
    """The job, running. It must be the only one its queue could give."""
    found = Claims(store.database).claim(job.queue, "worker-0", 60.0, lambda _: 0)
    assert [one.id for one in found] == [job.id]
    return found[0]


def concluded(store: JobStore, ending: Callable[[Job, datetime], Change], **given: Any) -> Job:
    job = claimed(store, submitted(store, **given))
    ended = Claims(store.database).conclude([Ending(job.id, job.fence, ending)])[0]
    assert ended is not None
    return ended


def succeeded(store: JobStore, *outputs: Output, **given: Any) -> Job:
    return concluded(store, lambda job, now: lifecycle.succeed(job, outputs, now), **given)


def failed(store: JobStore) -> Job:
    return concluded(store, lambda job, now: lifecycle.fail(job, HOPELESS, now))


def announced(store: JobStore) -> list[str]:
    with store.database.reading() as connection:
        return list(connection.execute(select(CHANGES.c.job_id).order_by(CHANGES.c.position)).scalars())


def rows_in(store: JobStore, table: Any) -> int:
    with store.database.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


@pytest.mark.parametrize("company", [0, 2])
def test_a_submitted_job_is_read_back_as_it_was_answered(store: JobStore, company: int) -> None:
    given = {
        "prompt": "é 絵 🌅 '\\\"\n{}[]:%s\x7f",
        "seed": (1 << 63) - 1,
        "nested": [None, True, 0.1, -0.0, 1e-300, "1"],
    }
    submission = wanted(
        input=given,
        metadata={"mine": "as given"},
        deadline=datetime(2030, 1, 1, 12, 0, 0, 123456, tzinfo=UTC),
        priority=Priority.BATCH,
        batch_key="k",
        work=0.1 + 0.2,
    )
    job = store.submit([*(wanted() for _ in range(company)), submission])[-1].job
    assert job is not None
    assert store.get(job.id) == job
    assert (job.status, job.seq, job.priority) == (Status.QUEUED, 1, Priority.BATCH)
    assert job.input == given
    assert job.deadline == datetime(2030, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
    assert job.created_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - job.created_at) < timedelta(minutes=10)


def test_a_finished_job_is_read_back_with_its_outputs_and_a_failed_one_with_its_fault(
    store: JobStore,
) -> None:
    assert store.get(succeeded(store, PICTURE, OTHER).id).outputs == (PICTURE, OTHER)
    assert store.get(failed(store).id).error == HOPELESS


def test_what_is_submitted_together_is_answered_in_order_and_announced(store: JobStore) -> None:
    submissions = [wanted() for _ in range(5)]
    answers = store.submit(submissions)
    assert [answer.job.id for answer in answers if answer.job] == [one.id for one in submissions]
    assert not [answer for answer in answers if answer.replayed or answer.conflict]
    assert announced(store) == [one.id for one in submissions]
    found = store.get_many([*(one.id for one in submissions), new_job_id()])
    assert {job.id for job in found} == {one.id for one in submissions}


def test_a_job_that_does_not_exist_is_not_found(store: JobStore) -> None:
    for act in (store.get, store.cancel, store.retry, store.delete):
        with pytest.raises(JobNotFound):
            act(new_job_id())


def test_the_list_is_newest_first_and_no_longer_than_asked(store: JobStore) -> None:
    jobs = [submitted(store) for _ in range(5)]
    newest_first = [job.id for job in reversed(jobs)]
    assert [job.id for job in store.list("default")] == newest_first
    assert [job.id for job in store.list("default", limit=2)] == newest_first[:2]


def test_the_list_is_filtered_by_status_model_and_both(store: JobStore) -> None:
    done = succeeded(store)
    waiting = submitted(store)
    other = submitted(store, model="portraits")
    assert ids(store, statuses=[Status.SUCCEEDED]) == [done.id]
    assert ids(store, statuses=[Status.SUCCEEDED, Status.QUEUED]) == [other.id, waiting.id, done.id]
    assert ids(store, model="portraits") == [other.id]
    assert ids(store, model="scenes", statuses=[Status.QUEUED]) == [waiting.id]
    assert ids(store, statuses=[Status.FAILED]) == ids(store, model="none") == []


def ids(store: JobStore, **given: Any) -> list[str]:
    return [job.id for job in store.list("default", **given)]


def test_since_lists_what_was_created_at_that_moment_or_later(store: JobStore) -> None:
    early = new_job_id()  # an id may be drawn a little before its row is created
    jobs = [submitted(store), submitted(store, id=early), submitted(store)]
    assert ids(store, since=jobs[0].created_at)[-1] == early
    assert ids(store, since=jobs[1].created_at) == [jobs[2].id, early]
    assert ids(store, since=jobs[2].created_at + timedelta(microseconds=1)) == []


def test_pages_cover_every_job_once_while_new_ones_arrive(store: JobStore) -> None:
    before = [submitted(store).id for _ in range(23)]
    pages: list[str] = []
    while page := ids(store, limit=5, before_id=pages[-1] if pages else None):
        pages += page
        submitted(store)
    assert pages == before[::-1]


def test_the_same_key_and_body_answers_the_first_job_as_it_stands_now(store: JobStore) -> None:
    first = submitted(store, idempotency_key="k", body_hash="h")
    store.cancel(first.id)
    again = store.submit([wanted(idempotency_key="k", body_hash="h")])[0]
    assert again.replayed
    assert again.job == store.get(first.id)
    assert again.job.status is Status.CANCELED
    assert rows_in(store, JOBS) == 1


def test_the_same_key_with_another_body_is_a_conflict_and_makes_nothing(store: JobStore) -> None:
    submitted(store, idempotency_key="k", body_hash="h")
    answer = store.submit([wanted(idempotency_key="k", body_hash="other")])[0]
    assert answer.conflict
    assert (rows_in(store, JOBS), rows_in(store, IDEMPOTENCY)) == (1, 1)
    theirs = store.submit([wanted(idempotency_key="k", body_hash="h", tenant="other")])[0]
    assert not theirs.replayed, "each tenant has keys of its own"


def test_a_key_given_twice_in_one_call_makes_one_job(store: JobStore) -> None:
    same = {"idempotency_key": "k", "body_hash": "h"}
    first, second, third, plain = store.submit(
        [wanted(**same), wanted(**same), wanted(idempotency_key="k", body_hash="other"), wanted()]
    )
    assert first.job is not None
    assert (first.replayed, second.replayed, second.job) == (False, True, first.job)
    assert third.conflict
    assert announced(store) == [job.id for job in (first.job, plain.job) if job]


def test_one_key_from_many_threads_at_once_makes_one_job_that_all_hear_of(store: JobStore) -> None:
    """As several API processes would: each submits by itself, at the same moment."""
    together = threading.Barrier(8)

    def submit(key: str) -> Job | None:
        together.wait(60)
        return store.submit([wanted(idempotency_key=key, body_hash="h")])[0].job

    with ThreadPoolExecutor(8) as pool:
        heard = [list(pool.map(submit, [f"k{number}"] * 8)) for number in range(12)]
    assert all(job and job == jobs[0] for jobs in heard for job in jobs)
    assert rows_in(store, JOBS) == 12
    assert announced(store) == [jobs[0].id for jobs in heard if jobs[0]]


def test_every_change_is_announced_and_counted_and_a_refused_one_is_neither(store: JobStore) -> None:
    job = claimed(store, submitted(store))
    assert (store.cancel(job.id).seq, store.cancel(job.id).seq) == (3, 3)
    with pytest.raises(Conflict):
        store.retry(job.id)
    assert announced(store) == [job.id] * store.get(job.id).seq == [job.id] * 3


def test_a_queued_job_is_canceled_at_once_and_a_running_one_asked_to_stop(store: JobStore) -> None:
    queued = submitted(store)
    assert store.cancel(queued.id).status is Status.CANCELED
    running = claimed(store, submitted(store))
    asked = store.cancel(running.id)
    assert (asked.status, asked.cancel_requested) == (Status.RUNNING, True)
    done = succeeded(store, queue="another")
    assert store.cancel(done.id) == done


def test_a_job_that_ended_without_a_result_is_retried_and_any_other_is_a_conflict(store: JobStore) -> None:
    queued, done = submitted(store, queue="elsewhere"), succeeded(store)
    for job in (queued, done):
        with pytest.raises(Conflict, match=job.status):
            store.retry(job.id)
    again = store.retry(failed(store).id)
    assert (again.status, again.error, again.max_attempts) == (Status.QUEUED, None, 4)
    assert claimed(store, again).attempt == 2


def test_of_many_retries_at_once_one_succeeds_and_the_others_are_conflicts(store: JobStore) -> None:
    job = submitted(store)
    store.cancel(job.id)

    def retry(_: int) -> int:
        try:
            return store.retry(job.id).seq
        except Conflict:
            return 0

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(retry, range(8))) == [0] * 7 + [3]


def test_a_finished_job_is_deleted_with_all_that_belongs_to_it(store: JobStore) -> None:
    job = succeeded(store, PICTURE, idempotency_key="k", body_hash="h")
    store.delete(job.id)
    with pytest.raises(JobNotFound):
        store.get(job.id)
    assert [rows_in(store, table) for table in (JOBS, IDEMPOTENCY, ARTIFACTS)] == [0, 0, 0]
    assert announced(store)[-1] == job.id, "who watches it must be told"
    assert not store.submit([wanted(idempotency_key="k", body_hash="other")])[0].conflict


def test_an_unfinished_job_is_not_deleted(store: JobStore) -> None:
    job = submitted(store)
    with pytest.raises(Conflict, match="queued"):
        store.delete(job.id)
    claimed(store, job)
    with pytest.raises(Conflict, match="running"):
        store.delete(job.id)
    assert store.get(job.id).status is Status.RUNNING


def test_a_shared_artifact_is_listed_until_the_last_job_that_lists_it_is_gone(store: JobStore) -> None:
    first, second = succeeded(store, PICTURE, PICTURE), succeeded(store, PICTURE, OTHER)
    store.delete(second.id)
    assert (store.lists_artifact(PICTURE.key), store.lists_artifact(OTHER.key)) == (True, False)
    store.delete(first.id)
    assert not store.lists_artifact(PICTURE.key)


def test_a_job_of_another_tenant_is_not_there(store: JobStore) -> None:
    job = succeeded(store, PICTURE, tenant="theirs")
    for act in (store.get, store.cancel, store.retry, store.delete):
        with pytest.raises(JobNotFound):
            act(job.id, "mine")
        with pytest.raises(JobNotFound):
            act(job.id, "")
    assert store.list("mine") == []
    assert store.lists_artifact(PICTURE.key, "theirs")
    assert not store.lists_artifact(PICTURE.key, "mine")
    assert store.get(job.id, "theirs") == job
    store.delete(job.id, "theirs")


def test_a_database_that_is_away_is_unavailable_and_nothing_else(tmp_path: Any) -> None:
    away = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    (tmp_path / "folder.db").mkdir()
    broken = Database(f"sqlite:///{tmp_path / 'folder.db'}")
    for database in (away, broken):
        with pytest.raises(StoreUnavailable):
            JobStore(database).ping()
        database.close()
