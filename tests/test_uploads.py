"""Uploads on both databases: what jobs may use, what they wait for, who fetches, and how long things are kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from jobs.errors import Conflict, UploadNotFound
from jobs.identity import new_job_id
from jobs.lifecycle import NEED_FAILED
from jobs.references import DataReference, MediaInput, OutputReference, Reference, UploadReference, UrlReference
from jobs.uploads import Content, Unfetched, Upload, UploadStatus
from jobs.values import Fault, Status
from storage.engine import Database
from storage.jobs.mending import Choice, Mending
from storage.media.uploads import Uploads
from storage.tables import UPLOAD_USES, UPLOADS
from tests.query_plans import statements_of
from tests.test_claims import House as Claimants
from tests.test_needs import Waiters

URL = "https://pictures.example/a.png"
CONTENT = Content("ab" * 32 + ".png", "ab" * 32, 7, "image/png", 16, 8)
WAITS = (1.0, 5.0)
DAY_S = 86_400.0


def media(*references: Reference, accepts: tuple[str, ...] = ("image/png",)) -> tuple[MediaInput, ...]:
    return tuple(MediaInput(f"media{number or ''}", one, accepts) for number, one in enumerate(references))


class House(Waiters):
    """With uploads."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.uploads = Uploads(database)

    def upload(self, tenant: str = "default") -> Upload:
        return self.uploads.add(tenant, "a.png", CONTENT, DAY_S)

    def using(self, *references: Reference, **given: Any) -> str:
        """The id of a new job."""
        wanted = self.wanted(media=media(*references), **given)
        (answer,) = self.store.submit([wanted])
        assert answer.job, answer
        return answer.job.id

    def refusals(self, *references: Reference, **given: Any) -> dict[str, str]:
        (answer,) = self.store.submit([self.wanted(media=media(*references), **given)])
        assert answer.job is None
        assert not answer.conflict
        return {fault.field: fault.detail for fault in answer.faults}

    def fetch(self, outcome: Content | Unfetched) -> Upload:
        upload = self.uploads.claim(60.0)
        assert upload
        concluded = self.uploads.conclude(upload, outcome, WAITS, 1.0, DAY_S)
        assert concluded
        self.work_off()
        return concluded

    def rewrite(self, upload_id: str, **values: Any) -> None:
        with self.database.writing() as connection:
            connection.execute(update(UPLOADS).where(UPLOADS.c.id == upload_id).values(values))

    def end(self, job_id: str) -> None:
        while self.status(job_id) is not Status.SUCCEEDED:
            self.succeed(self.claim_one())


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


def test_a_job_with_an_upload_that_is_there_does_not_wait(house: House) -> None:
    job_id = house.using(UploadReference(house.upload().id))
    assert house.status(job_id) is Status.QUEUED
    assert house.store.get(job_id).needs == ()


def test_what_cannot_be_used_is_refused_by_name_and_nothing_is_written(house: House) -> None:
    theirs, sound = house.upload("other"), house.uploads.add("default", None, CONTENT, DAY_S)
    house.rewrite(sound.id, media_type="audio/wav")
    job_id = house.submit(tenant="other")
    mine = house.submit(units=2)
    references = (
        UploadReference(theirs.id),
        UploadReference(sound.id),
        OutputReference(mine, 2),
        DataReference("image/png", b""),
        UrlReference(URL),
    )
    assert house.refusals(*references) == {
        "input.media": "There is no such upload.",
        "input.media1": "This is audio/wav; the model takes image/png.",
        "input.media2": "That job has 2 output(s), counted from 0.",
        "input.media3": "A data URI must be uploaded first.",
    }
    assert house.refusals(OutputReference(job_id, 0), needs=(job_id,)) == {"input.media": "There is no such job."}
    house.end(mine)
    assert house.refusals(OutputReference(mine, 1)) == {"input.media": "That job has 1 output(s), counted from 0."}
    assert (house.rows_in(UPLOADS), house.rows_in(UPLOAD_USES)) == (2, 0)


def test_a_url_is_written_down_once_for_all_who_wait_for_it(house: House) -> None:
    two = [house.wanted(media=media(UrlReference(URL), UrlReference(f"{URL}?b"))) for _ in range(2)]
    jobs = [answer.job for answer in house.store.submit(two)]
    third = house.store.get(house.using(UrlReference(URL)))
    strangers = house.store.get(house.using(UrlReference(URL), tenant="other"))
    assert all(job and job.status is Status.WAITING and len(job.needs) == 2 for job in jobs)
    assert jobs[0]
    assert jobs[1]
    assert set(jobs[0].needs) == set(jobs[1].needs) > set(third.needs)
    assert set(strangers.needs).isdisjoint(jobs[0].needs)
    assert house.rows_in(UPLOADS) == 3


def test_a_job_is_released_once_all_is_fetched(house: House) -> None:
    job_id = house.using(UrlReference(URL), UrlReference(f"{URL}?b"))
    house.fetch(CONTENT)
    assert house.status(job_id) is Status.WAITING
    house.fetch(CONTENT)
    assert house.status(job_id) is Status.QUEUED
    found = house.uploads.find(house.store.get(job_id), UrlReference(URL))
    assert found == CONTENT
    assert house.uploads.find(house.store.get(house.submit()), UrlReference(URL)) is None, "of others nobody learns"


def test_what_is_still_being_fetched_may_be_named_as_an_upload(house: House) -> None:
    (upload_id,) = house.store.get(house.using(UrlReference(URL))).needs
    job_id = house.using(UploadReference(upload_id))
    assert house.status(job_id) is Status.WAITING
    house.fetch(CONTENT)
    assert house.status(job_id) is Status.QUEUED


def test_a_fetch_is_tried_again_later_and_then_given_up_with_the_reason(house: House) -> None:
    job_id = house.using(UrlReference(URL))
    for tries in (1, 2):
        upload = house.fetch(Unfetched("the server answered 503", again=True))
        assert (upload.status, upload.tries) == (UploadStatus.PENDING, tries)
        assert house.uploads.claim(60.0) is None, "not yet"
        house.rewrite(upload.id, next_try_at=datetime.now(UTC) - timedelta(seconds=1))
    upload = house.fetch(Unfetched("the server answered 503", again=True))
    assert upload.status is UploadStatus.FAILED
    job = house.store.get(job_id)
    expected = Fault("input_unavailable", f"{URL} could not be fetched: the server answered 503.", retryable=True)
    assert (job.status, job.error) == (Status.FAILED, expected)
    assert house.refusals(UploadReference(upload.id)) == {
        "input.media": "This upload could not be fetched: the server answered 503."
    }


def test_jobs_that_end_together_each_hear_their_own_reason(house: House) -> None:
    of_upload = house.using(UrlReference(URL))
    need = house.submit()
    of_job = house.submit(needs=(need,))
    upload = house.uploads.claim(60.0)
    assert upload
    house.uploads.conclude(upload, Unfetched("no", again=False), WAITS, 1.0, DAY_S)
    house.store.cancel(need)
    house.work_off()
    faults = [house.store.get(job_id).error for job_id in (of_upload, of_job)]
    assert [fault and fault.code for fault in faults] == ["input_unavailable", NEED_FAILED.code]


def test_a_retry_has_it_fetched_again(house: House) -> None:
    job_id = house.using(UrlReference(URL))
    house.fetch(Unfetched("no", again=False))
    assert house.store.retry(job_id).status is Status.WAITING
    house.work_off()
    assert house.status(job_id) is Status.WAITING
    house.fetch(CONTENT)
    assert house.status(job_id) is Status.QUEUED


def test_a_retry_by_a_filter_has_it_fetched_again_too(house: House) -> None:
    job_id = house.using(UrlReference(URL))
    house.fetch(Unfetched("no", again=False))
    assert Mending(house.database).retry(Choice("default", [Status.FAILED]), "", 100).count == 1
    house.work_off()
    assert house.status(job_id) is Status.WAITING
    house.fetch(CONTENT)
    assert house.status(job_id) is Status.QUEUED


def test_a_courier_whose_lease_passed_on_writes_nothing(house: House) -> None:
    job_id = house.using(UrlReference(URL))
    slow = house.uploads.claim(0.0)
    assert slow
    quick = house.uploads.claim(60.0)
    assert quick
    assert quick.fence == slow.fence + 1
    assert house.uploads.conclude(slow, CONTENT, WAITS, 1.0, DAY_S) is None
    assert house.status(job_id) is Status.WAITING
    assert house.uploads.conclude(quick, CONTENT, WAITS, 1.0, DAY_S)
    assert house.uploads.conclude(quick, CONTENT, WAITS, 1.0, DAY_S) is None, "nobody is told twice"


def test_what_is_given_back_is_fetched_by_another_at_once(house: House) -> None:
    house.using(UrlReference(URL))
    upload = house.uploads.claim(60.0)
    assert upload
    house.uploads.release(upload)
    again = house.uploads.claim(60.0)
    assert again
    assert (again.id, again.tries) == (upload.id, 1)


def test_hosts_that_are_busy_are_left_alone(house: House) -> None:
    house.using(UrlReference("https://Slow.example:8443/a"))
    assert house.uploads.claim(60.0, without=["slow.example"]) is None
    assert house.uploads.due(10)


def test_an_upload_that_an_unfinished_job_uses_is_neither_deleted_nor_retired(house: House) -> None:
    upload = house.upload()
    job_id = house.using(UploadReference(upload.id))
    house.rewrite(upload.id, expires_at=datetime.now(UTC) - timedelta(days=1))
    assert house.uploads.retire(DAY_S) == 0
    assert house.uploads.retire(0.0) == 0
    with pytest.raises(Conflict):
        house.uploads.delete(upload.id, "default")
    house.end(job_id)
    house.rewrite(upload.id, expires_at=datetime.now(UTC) - timedelta(days=1))
    assert house.uploads.retire(DAY_S) == 0, "its job has just ended"
    house.rewrite(upload.id, expires_at=datetime.now(UTC) - timedelta(days=1))
    assert house.uploads.retire(0.0) == 1
    with pytest.raises(UploadNotFound):
        house.uploads.get(upload.id, "default")
    assert house.uploads.find(house.store.get(job_id), UploadReference(upload.id)) is None


def test_an_upload_belongs_to_its_tenant(house: House) -> None:
    upload = house.upload()
    for call in (house.uploads.get, house.uploads.delete):
        with pytest.raises(UploadNotFound):
            call(upload.id, "other")
    assert house.uploads.list("other") == []
    assert house.uploads.list("default") == [upload]
    assert house.store.lists_artifact(CONTENT.key, "default")
    assert not house.store.lists_artifact(CONTENT.key, "other")
    assert house.store.listed([CONTENT.key, "cd.png"]) == {CONTENT.key}
    house.uploads.delete(upload.id, "default")
    assert not house.store.lists_artifact(CONTENT.key)


def test_a_submission_may_use_the_output_of_another_that_is_submitted_with_it(house: House) -> None:
    first = house.wanted(units=2)
    second = house.wanted(needs=(first.id,), media=media(OutputReference(first.id, 1)))
    third = house.wanted(needs=(first.id,), media=media(OutputReference(first.id, 2)))
    answers = house.store.submit([first, second, third])
    assert [bool(answer.job) for answer in answers] == [True, True, False]
    assert answers[2].faults


def test_a_repeated_submit_fetches_nothing_twice(house: House) -> None:
    def submit(url: str) -> Any:
        wanted = house.wanted(media=media(UrlReference(url)), idempotency_key="k", body_hash="h", id=new_job_id())
        return house.store.submit([wanted])[0]

    first, second = submit(URL), submit(f"{URL}?other")
    assert second.replayed
    assert second.job.id == first.job.id
    assert house.rows_in(UPLOADS) == 1


def test_jobs_without_media_cost_no_statement_more(database: Database) -> None:
    with statements_of(database) as seen:
        Claimants(database).submit()
    assert not [statement for statement in seen if "upload" in statement]


def test_the_shadow_of_a_job_has_the_same_input(house: House) -> None:
    first = house.wanted(media=media(UrlReference(URL)))
    shadow = house.wanted(media=first.media, needs=(first.id,))
    house.store.submit([replace(first, shadows=(shadow,))])
    house.fetch(CONTENT)
    assert house.uploads.find(house.store.get(shadow.id), UrlReference(URL)) == CONTENT
    house.end(first.id)
    house.work_off()
    assert house.status(shadow.id) is Status.QUEUED
