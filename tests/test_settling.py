"""Groups on both databases: settled by what becomes of their members, whoever dies, and never more than they want."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from jobs import lifecycle
from jobs.groups import ANY, GroupStatus, Join, OnFailure
from jobs.values import Job, Output, Status
from storage.changes.consequences import Consequences
from storage.changes.feed import Feed
from storage.claiming.claims import Ending
from storage.engine import Database
from storage.jobs.mending import Choice, Mending
from storage.jobs.settling import settle_groups
from storage.webhooks.deliveries import Deliveries
from tests.companies import TWO, Company, paint


@pytest.fixture
def company(database: Database) -> Company:
    return Company(database)


def test_a_group_succeeds_with_its_last_member_and_joins_their_outputs(company: Company) -> None:
    group = company.gather(2)
    assert company.now(group) == group
    assert (group.status, group.seq) == (GroupStatus.WAITING, 1)
    company.succeed(company.claim_one())
    company.work_off()
    assert company.now(group).status is GroupStatus.RUNNING
    company.succeed(company.claim_one())
    company.work_off()
    ended = company.now(group)
    assert (ended.status, ended.chosen, len(ended.joined[1].outputs)) == (GroupStatus.SUCCEEDED, (0, 1), 1)
    assert ended.finished_at
    assert [company.store.get(member.job_id).status for member in ended.members] == [Status.SUCCEEDED] * 2


def test_who_is_not_among_the_first_is_canceled_queued_or_running(company: Company) -> None:
    group = company.gather(4, TWO)
    running = [company.claim_one() for _ in range(3)]
    company.succeed(running[0])
    company.succeed(running[1])
    assert company.statuses(group) == ["succeeded", "succeeded", "running", "canceled"]
    decided = company.now(group)
    assert (decided.status, decided.chosen) == (GroupStatus.RUNNING, (0, 1)), "the result is there, the end is not"
    assert company.store.get(running[2].id).cancel_requested
    company.conclude(running[2], lifecycle.stop)
    assert company.statuses(group) == ["succeeded", "succeeded", "canceled", "canceled"]
    assert company.now(group).status is GroupStatus.SUCCEEDED


def test_no_more_than_the_first_few_ever_succeed_though_no_courier_is_there(company: Company) -> None:
    group = company.gather(4, TWO)
    for job in [company.claim_one() for _ in range(4)]:
        company.succeed(job)
    assert company.statuses(group) == ["succeeded", "succeeded", "canceled", "canceled"]


def test_of_a_batch_that_ends_together_only_the_first_few_succeed(company: Company) -> None:
    group = company.gather(4, TWO)
    endings = [Ending(job.id, job.fence, paint, race=group.id) for job in [company.claim_one() for _ in range(4)]]
    concluded = company.claims.conclude(endings)
    assert [job and job.status.value for job in concluded] == ["succeeded", "succeeded", "canceled", "canceled"]


def test_when_all_end_at_once_in_as_many_threads_the_first_few_succeed(company: Company) -> None:
    group = company.gather(6, TWO)
    jobs = [company.claim_one(f"worker-{number}") for number in range(6)]
    start = threading.Barrier(7)

    def end(job: Job) -> None:
        start.wait()
        company.claims.conclude([Ending(job.id, job.fence, paint, race=group.id)])

    def follow() -> None:
        start.wait()
        for _ in range(20):
            company.consequences.work_off()

    with ThreadPoolExecutor(7) as pool:
        for done in [pool.submit(follow), *(pool.submit(end, job) for job in jobs)]:
            done.result()
    assert sorted(company.statuses(group)) == ["canceled"] * 4 + ["succeeded"] * 2
    assert company.now(group).status is GroupStatus.SUCCEEDED


def test_who_is_retried_by_itself_after_the_race_succeeds_too(company: Company) -> None:
    group = company.gather(2, ANY)
    winner, loser = company.claim_one(), company.claim_one()
    for job in (winner, loser):
        company.claims.conclude([Ending(job.id, job.fence, paint, race=group.id)])
    assert company.statuses(group) == ["succeeded", "canceled"]
    company.store.retry(loser.id)
    again = company.claim_one()
    company.claims.conclude([Ending(again.id, again.fence, paint, race=group.id)])
    assert company.statuses(group) == ["succeeded", "succeeded"]
    assert company.now(group).chosen == (0,)


def test_a_member_that_fails_ends_the_others_of_all(company: Company) -> None:
    group = company.gather(3)
    company.ruin(company.claim_one())
    assert company.statuses(group) == ["failed", "canceled", "canceled"]
    ended = company.now(group)
    assert (ended.status, ended.error and ended.error.code) == (GroupStatus.FAILED, "member_failed")


def test_or_they_go_on_and_the_group_has_what_it_can(company: Company) -> None:
    group = company.gather(3, on_failure=OnFailure.CONTINUE)
    company.ruin(company.claim_one())
    company.succeed(company.claim_one())
    company.succeed(company.claim_one())
    company.work_off()
    assert (company.now(group).status, company.now(group).chosen) == (GroupStatus.PARTIAL, (1, 2))


def test_the_best_is_the_one_with_the_best_number(company: Company) -> None:
    group = company.gather(3, Join(metric="outputs.0.bytes"))
    for size, job in zip((5, 9, 7), [company.claim_one() for _ in range(3)], strict=True):
        picture = Output(f"{job.id}.png", "ab", "image/png", size)
        company.conclude(job, lambda current, now, picture=picture: lifecycle.succeed(current, [picture], now))
    company.work_off()
    assert [output.bytes for member in company.now(group).joined for output in member.outputs] == [9]


def test_a_member_that_waits_for_another_is_released_and_its_failure_ends_the_chain(company: Company) -> None:
    order = company.order(2)
    first, second = order.members
    group = company.groups.submit(replace(order, members=(first, replace(second, needs=(first.id,))))).group
    assert group
    assert [member.status for member in group.members] == ["queued", "waiting"]
    company.succeed(company.claim_one())
    assert company.statuses(group) == ["succeeded", "queued"]
    company.ruin(company.claim_one())
    assert company.statuses(group) == ["succeeded", "failed"]


def test_each_change_of_a_member_is_one_of_the_group_and_seq_never_goes_back(company: Company) -> None:
    feed = Feed(company.database)
    feed.read()
    group = company.gather(2)
    running = company.claim_one()
    seqs = []
    for act in (
        company.work_off,
        lambda: company.groups.cancel(group.id),
        lambda: company.conclude(running, lifecycle.stop),
        company.work_off,
        lambda: company.groups.retry(group.id),
    ):
        act()
        seqs.append(company.now(group).seq)
    assert seqs == [2, 3, 3, 4, 5]
    told = [entry for entry in feed.read() if entry.job_id == group.id]
    assert len(told) == seqs[-1]
    assert {entry.verb for entry in told} == {"group"}


def test_a_courier_that_dies_amid_settling_has_settled_nothing(company: Company) -> None:
    group = company.gather(2, ANY)
    company.succeed(company.claim_one())
    before = company.now(group)

    def die(*_: object) -> list[Job]:
        raise KeyboardInterrupt

    dying: list[Callable[..., Any]] = [settle_groups, die]
    with pytest.raises(KeyboardInterrupt):
        Consequences(company.database, dying).work_off()
    assert company.now(group) == before
    assert company.statuses(group) == ["succeeded", "canceled"]


def test_a_member_that_is_deleted_by_itself_is_missed(company: Company) -> None:
    group = company.gather(3, on_failure=OnFailure.CONTINUE)
    for _ in range(2):
        company.succeed(company.claim_one())
    company.store.delete(group.members[0].job_id)
    choice = Choice("default", (Status.SUCCEEDED,), ids=[group.members[1].job_id])
    Mending(company.database).purge(choice, "", 10)
    assert company.statuses(group) == ["deleted", "deleted", "queued"]
    company.succeed(company.claim_one())
    company.work_off()
    assert (company.now(group).status, company.now(group).chosen) == (GroupStatus.PARTIAL, (2,))


def test_a_group_that_has_a_webhook_tells_of_its_end_once(company: Company) -> None:
    deliveries = Deliveries(company.database)
    group = company.gather(2, ANY, webhook="https://example.com/hook")
    company.succeed(company.claim_one())
    company.work_off()
    (told,) = deliveries.list("default")
    assert (told.job_id, told.subject) == (group.id, f"/v1/groups/{group.id}")
    assert '"type":"group.completed"' in told.body
    assert '"status":"succeeded"' in told.body
    company.groups.delete(group.id)
    assert deliveries.list("default") == []
