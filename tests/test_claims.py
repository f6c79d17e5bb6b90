"""Claims and leases on both databases: who gets which job, for how long, and whose word on it counts."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobs import lifecycle
from jobs.values import Job, Priority, Status
from storage.changes.changing import change
from storage.claiming.claims import Ending, Holding
from storage.engine import Database
from tests.houses import PICTURE, House, succeed
from tests.servers import wait_until

LONG_AGO, IN_AN_HOUR = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-1, 1))


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


def ids(jobs: list[Job]) -> list[str]:
    return [job.id for job in jobs]


def test_two_dozen_workers_at_two_hundred_jobs_never_get_the_same_one(house: House) -> None:
    wanted = [house.submit(batch_key="k" if number % 3 else None) for number in range(200)]
    together = threading.Barrier(24)

    def work(number: int) -> list[Job]:
        together.wait(60)
        held: list[Job] = []
        while claimed := house.claim(number % 4, f"worker-{number}"):
            held += claimed
        return held

    with ThreadPoolExecutor(24) as pool:
        held = [job for jobs in pool.map(work, range(24)) for job in jobs]
    assert Counter(ids(held)) == Counter(wanted)
    assert {(job.attempt, job.fence, job.seq) for job in held} == {(1, 1, 2)}


def test_a_claim_of_nothing_is_nothing(house: House) -> None:
    house.submit(queue="elsewhere")
    assert house.claim() == []
    assert house.claims.queues() == ["elsewhere"]


def test_the_interactive_come_before_the_batch_and_the_old_before_the_young(house: House) -> None:
    first = [house.submit(priority=Priority.BATCH) for _ in range(2)]
    second = [house.submit(priority=Priority.INTERACTIVE) for _ in range(2)]
    assert house.claims.claimable("default", 9) == second + first
    assert [house.claim_one().id for _ in range(4)] == second + first
    assert house.claims.claimable("default", 9) == []


def test_companions_are_the_best_of_the_same_batch_key_within_the_room(house: House) -> None:
    late = house.submit(priority=Priority.BATCH)
    lead, other, alone, second, third, fourth = (
        house.submit(batch_key=key) for key in ("k", "another", None, "k", "k", "k")
    )
    assert ids(house.claim(room=2)) == [lead, second, third]
    assert ids(house.claim(room=9)) == [other]
    assert ids(house.claim(room=9)) == [alone]
    assert ids(house.claim(room=9)) == [fourth, late]


def test_companions_may_be_of_another_tenant_but_not_of_another_queue(house: House) -> None:
    lead, theirs = house.submit(), house.submit(tenant="theirs")
    house.submit(queue="elsewhere")
    assert ids(house.claim(room=9)) == [lead, theirs]


def test_the_room_is_asked_of_the_job_that_leads(house: House) -> None:
    lead = house.submit(units=4, input={"prompt": "mine"})
    house.submit()
    asked: list[Job] = []
    house.claims.claim("default", "worker-0", 60.0, lambda job: asked.append(job) or -3)
    assert [(job.id, job.units, job.input) for job in asked] == [(lead, 4, {"prompt": "mine"})]
    assert house.store.get(lead).status is Status.RUNNING
    assert len(house.claims.claimable("default", 9)) == 1


def test_jobs_without_a_batch_key_have_no_companions(house: House) -> None:
    first = house.submit(batch_key=None)
    house.submit(batch_key=None)
    assert ids(house.claim(room=9)) == [first]


def test_a_job_tried_before_runs_alone_and_joins_nobody(house: House) -> None:
    tried = house.tried_before()
    fresh = [house.submit(), house.submit()]
    assert ids(house.claim(room=9)) == [tried]
    house.again(house.fail(house.store.get(tried)).id)
    house.submit(priority=Priority.BATCH)
    assert ids(house.claim(room=9)) == [tried]
    assert ids(house.claim(room=1)) == fresh


def test_a_fresh_job_that_leads_takes_no_job_along_that_was_tried_before(house: House) -> None:
    tried = house.tried_before(priority=Priority.BATCH)
    lead, third = house.submit(priority=Priority.INTERACTIVE), house.submit(priority=Priority.BATCH)
    assert [ids(house.claim(room=9)) for _ in range(2)] == [[lead, third], [tried]]


def test_a_job_is_claimed_again_when_its_back_off_is_over_and_not_before(house: House) -> None:
    house.submit()
    failed = house.fail(house.claim_one())
    assert failed is not None
    assert failed.status is Status.QUEUED
    seen: list[Job] = []
    wait_until(lambda: seen.extend(house.claim()) or seen, "the back-off is over")
    assert seen[0].started_at >= failed.run_after > failed.started_at


def test_a_companion_is_not_claimed_past_its_deadline(house: House) -> None:
    lead = house.submit()
    house.submit(deadline=LONG_AGO)
    in_time = house.submit(deadline=IN_AN_HOUR)
    assert ids(house.claim(room=9)) == [lead, in_time]
    assert house.claim(room=9) == []
    assert house.claims.claimable("default", 9) == []


def test_what_is_overdue_expires_and_nothing_else(house: House) -> None:
    running = house.submit(deadline=datetime.now(UTC) + timedelta(minutes=10), priority=Priority.INTERACTIVE)
    house.claim_one()
    overdue, in_time, patient = (house.submit(deadline=d) for d in (LONG_AGO, IN_AN_HOUR, None))
    (expired,) = house.claims.expire_overdue()
    assert (expired.id, expired.status, expired.seq) == (overdue, Status.EXPIRED, 2)
    assert house.claims.expire_overdue() == []
    assert house.store.get(running).status is Status.RUNNING
    assert house.claims.claimable("default", 9) == [in_time, patient]
    house.store.retry(overdue)
    assert house.claims.expire_overdue() == []


def test_a_heartbeat_prolongs_the_lease_and_changes_nothing_else(house: House) -> None:
    house.submit()
    job = house.claim_one(lease_s=1.0)
    assert house.claims.renew({job.id: job.fence}, 600.0) == {job.id: Holding(held=True)}
    after = house.store.get(job.id)
    assert after.lease_until > job.lease_until + timedelta(seconds=500)
    assert after == replace(job, lease_until=after.lease_until)
    assert house.claims.renew({}, 60.0) == {}


def test_a_heartbeat_learns_of_cancels_and_of_leases_lost(house: House) -> None:
    kept, canceled, lost, deleted = (house.submit() for _ in range(4))
    fences = {job.id: job.fence for job in house.claim(room=9, lease_s=-1.0)}
    house.store.cancel(canceled)
    for job_id in (lost, deleted):
        house.succeed(house.store.get(job_id))
    house.store.delete(deleted)
    assert house.claims.renew(fences, 60.0) == {
        kept: Holding(held=True),
        canceled: Holding(held=True, cancel_requested=True),
        lost: Holding(held=False),
        deleted: Holding(held=False),
    }


def test_a_worker_whose_lease_has_passed_on_can_neither_conclude_nor_renew(house: House) -> None:
    """The zombie: frozen, declared lost, its job claimed by another, it wakes and wants to write."""
    job_id = house.submit()
    zombie = house.claim_one("zombie", lease_s=-1.0)
    assert [job.status for job in house.claims.lose_expired()] == [Status.QUEUED]
    assert (house.succeed(zombie), house.store.get(job_id).seq) == (None, 3), "queued, nobody's"
    house.store.cancel(job_id)
    house.store.retry(job_id)
    holder = house.claim_one("holder")
    assert holder.fence == zombie.fence + 1
    for conclude in (house.succeed, house.fail, house.hand_back):
        assert conclude(zombie) is None
    assert house.claims.renew({job_id: zombie.fence}, 60.0)[job_id] == Holding(held=False)
    with house.claims.database.writing() as connection:
        assert change(connection, job_id, succeed(zombie, LONG_AGO)) is None
    assert house.store.get(job_id) == holder
    assert not house.store.lists_artifact(PICTURE.key)
    assert house.succeed(holder).status is Status.SUCCEEDED
    assert house.succeed(holder) is None, "nobody concludes twice"


def test_conclusions_made_together_are_answered_in_order_though_some_are_refused(house: House) -> None:
    house.submit(), house.submit(), house.submit()
    jobs = house.claim(room=9)
    assert house.succeed(jobs[1]) is not None
    concluded = house.claims.conclude([Ending(job.id, job.fence, succeed) for job in jobs])
    assert [job and job.id for job in concluded] == [jobs[0].id, None, jobs[2].id]


@pytest.mark.parametrize("ending", ["fail", "hand_back"])
def test_a_cancel_the_worker_had_not_seen_yet_still_wins_over_running_again(house: House, ending: str) -> None:
    """The worker speaks of the job as it claimed it; a client was told meanwhile that it will stop."""
    house.submit()
    job = house.claim_one()
    assert house.store.cancel(job.id).cancel_requested
    concluded = getattr(house, ending)(job)
    assert concluded is not None
    assert house.store.get(job.id).status is Status.CANCELED


def test_a_lost_job_runs_again_while_attempts_are_left_and_then_fails(house: House) -> None:
    again, hopeless = house.submit(max_attempts=2), house.submit(max_attempts=1)
    assert ids(house.claim(room=1, lease_s=-1.0)) == [again, hopeless]
    lost = {job.id: job for job in house.claims.lose_expired()}
    assert (lost[again].status, lost[hopeless].status) == (Status.QUEUED, Status.FAILED)
    assert {job.error for job in lost.values()} == {lifecycle.WORKER_LOST}
    assert house.claims.lose_expired() == []


def test_a_lease_that_holds_is_not_lost(house: House) -> None:
    house.submit()
    job = house.claim_one(lease_s=60.0)
    assert house.claims.lose_expired() == []
    assert house.store.get(job.id) == job


def test_releasing_a_dead_worker_frees_only_what_it_held(house: House) -> None:
    mine, theirs, done = (house.submit() for _ in range(3))
    house.claim_one("dead")
    house.claim_one("living")
    house.succeed(house.claim_one("dead"))
    assert ids(house.claims.release("dead")) == [mine]
    assert house.store.get(theirs).status is Status.RUNNING
    assert house.store.get(done).status is Status.SUCCEEDED
    assert house.claims.release("nobody") == []


def test_a_hand_back_is_claimable_at_once_and_does_not_count_as_an_attempt(house: House) -> None:
    house.submit(max_attempts=1)
    for attempt in (1, 2):
        job = house.claim_one()
        assert (job.attempt, job.max_attempts) == (attempt, attempt)
        assert house.hand_back(job).status is Status.QUEUED
    fresh = house.submit()
    back, company = house.claim(room=1)
    assert company.id == fresh, "it did its neighbours no harm"
    assert house.fail(back).status is Status.FAILED
