"""Groups on both databases: accepted in whole or not at all, canceled, retried, deleted."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from sqlalchemy import update

from jobs import lifecycle
from jobs.errors import Conflict, GroupNotFound, JobNotFound
from jobs.groups import GroupStatus, OnFailure
from jobs.identity import new_job_id
from jobs.references import MediaInput, UrlReference
from jobs.uploads import Unfetched
from storage.engine import Database
from storage.jobs.group_rows import read_groups
from storage.jobs.groups import Ordered
from storage.jobs.submissions import insert_submissions
from storage.media.uploads import Uploads
from storage.tables import GROUPS, JOBS, MEMBERS
from tests.companies import Company


@pytest.fixture
def company(database: Database) -> Company:
    return Company(database)


def test_a_cancel_cascades_and_a_retry_takes_it_back(company: Company) -> None:
    group = company.gather(3)
    running = company.claim_one()
    moved = company.groups.cancel(group.id)
    assert [member.status for member in moved.group.members] == ["running", "canceled", "canceled"]
    assert {job.id for job in moved.jobs} == {member.job_id for member in group.members}
    company.conclude(running, lifecycle.stop)
    company.work_off()
    assert company.now(group).status is GroupStatus.CANCELED
    assert company.groups.cancel(group.id).group == company.now(group), "who has ended stays as he is"
    again = company.groups.retry(group.id)
    assert (again.group.status, len(again.jobs)) == (GroupStatus.RUNNING, 3)
    for _ in range(3):
        company.succeed(company.claim_one())
    company.work_off()
    assert company.now(group).status is GroupStatus.SUCCEEDED
    with pytest.raises(Conflict):
        company.groups.retry(group.id)


def test_a_retry_runs_only_those_that_have_no_result(company: Company) -> None:
    group = company.gather(3, on_failure=OnFailure.CONTINUE)
    company.ruin(company.claim_one())
    company.succeed(company.claim_one())
    company.succeed(company.claim_one())
    company.work_off()
    assert [job.id for job in company.groups.retry(group.id).jobs] == [group.members[0].job_id]
    assert company.statuses(group) == ["queued", "succeeded", "succeeded"]
    company.succeed(company.claim_one())
    company.work_off()
    assert company.now(group).status is GroupStatus.SUCCEEDED


def test_a_key_makes_one_group_and_belongs_to_its_body(company: Company) -> None:
    def submit(body_hash: str) -> Ordered:
        order = company.order(3)
        first = replace(order.members[0], idempotency_key="k", body_hash=body_hash)
        return company.groups.submit(replace(order, members=(first, *order.members[1:])))

    made, again, other = submit("h"), submit("h"), submit("other")
    assert again.group == made.group
    assert (again.replayed, other.group) == (True, None)
    assert (company.rows_in(GROUPS), company.rows_in(MEMBERS), company.rows_in(JOBS)) == (1, 3, 3)


def test_the_same_key_from_many_sides_at_once_makes_one_group(company: Company) -> None:
    def submit(_: int) -> str:
        order = company.order(3)
        first = replace(order.members[0], idempotency_key="k", body_hash="h")
        ordered = company.groups.submit(replace(order, members=(first, *order.members[1:])))
        return ordered.group.id if ordered.group else ""

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(submit, range(12)))) == 1
    assert company.rows_in(JOBS) == 3


def test_who_meets_one_after_another_that_began_the_same_work_makes_a_group_all_the_same(
    company: Company, database: Database
) -> None:
    """Of two members, the first one's work is committed by one process, and then the second one's by another."""
    order = company.order(2)
    members = [replace(one, cache_key=key) for one, key in zip(order.members, "ab", strict=True)]
    begun = [Event(), Event()]

    def begin(number: int) -> None:
        with database.writing() as connection:
            same = company.wanted(cache_key="ab"[number])
            insert_submissions(connection, [same], database.now(connection))
            begun[number].set()
            time.sleep(0.3 + 0.5 * number)

    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(begin, number) for number in range(2)]
        assert begun[0].wait(10.0)
        if not database.is_sqlite:
            assert begun[1].wait(10.0)
        ordered = company.groups.submit(replace(order, members=members))
        for other in others:
            other.result()
    assert ordered.group


def test_what_a_member_needs_and_nobody_has_refuses_the_whole(company: Company) -> None:
    order = company.order(3)
    nobody = new_job_id()
    needy = replace(order.members[2], needs=(nobody,))
    ordered = company.groups.submit(replace(order, members=(*order.members[:2], needy)))
    assert ordered.group is None
    assert {member: lacking.missing for member, lacking in ordered.lacking.items()} == {needy.id: (nobody,)}
    assert (company.rows_in(GROUPS), company.rows_in(JOBS)) == (0, 0)


def test_a_group_is_its_tenants_alone(company: Company) -> None:
    group = company.gather(1)
    for act in (company.groups.cancel, company.groups.retry, company.groups.delete):
        with pytest.raises(GroupNotFound):
            act(group.id, "somebody")
    assert company.groups.list("somebody") == []
    assert company.groups.list("default") == [group]


def test_a_group_goes_with_its_jobs_once_it_has_ended(company: Company) -> None:
    group = company.gather(2)
    with pytest.raises(Conflict):
        company.groups.delete(group.id)
    company.groups.cancel(group.id)
    company.groups.delete(group.id)
    company.work_off()
    assert [company.rows_in(table) for table in (GROUPS, MEMBERS, JOBS)] == [0, 0, 0]


def test_old_groups_are_forgotten(company: Company) -> None:
    group = company.gather(1)
    company.groups.cancel(group.id)
    assert company.groups.retire(3600.0) == 0
    assert company.groups.retire(-1.0) == 1
    assert (company.rows_in(GROUPS), company.rows_in(MEMBERS)) == (0, 0)
    with pytest.raises(JobNotFound):
        company.store.get(group.id)


def test_members_that_missed_the_deadline_expire(company: Company) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    group = company.gather(2, member={"deadline": past})
    company.claims.expire_overdue()
    assert company.statuses(group) == ["expired", "expired"]
    assert company.now(group).status is GroupStatus.FAILED


def test_a_group_that_is_retried_while_old_ones_are_forgotten_is_kept(company: Company) -> None:
    group = company.gather(1)
    company.groups.cancel(group.id)
    company.work_off()
    read, retiring = Event(), Event()

    def retry() -> None:
        """As a retry of the group does, but it takes its time."""
        with company.database.writing() as connection:
            read_groups(connection, [group.id], lock=True)
            read.set()
            retiring.wait(0.5)
            connection.execute(update(GROUPS).values(status="waiting", finished_at=None))

    with ThreadPoolExecutor(1) as pool:
        retried = pool.submit(retry)
        assert read.wait(10.0)
        assert company.groups.retire(-1.0) == 0
        retried.result()
    assert company.now(group).status is GroupStatus.WAITING


def test_a_retry_has_what_a_member_needs_fetched_again(company: Company) -> None:
    url = MediaInput("media", UrlReference("https://example.org/a.png"), ("image/png",))
    group = company.gather(1, member={"media": (url,)})
    uploads = Uploads(company.database)
    fetching = uploads.claim(60.0)
    assert fetching
    uploads.conclude(fetching, Unfetched("no", again=False), (), 1.0, 60.0)
    assert company.statuses(group) == ["failed"]
    company.groups.retry(group.id)
    assert company.statuses(group) == ["waiting"]
    assert uploads.claim(60.0)
