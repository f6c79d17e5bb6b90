"""Everybody at once: clients that submit, cancel, retry and delete groups and members, workers, couriers. When it is
quiet again, every group has ended, agrees with its jobs, and has no more winners than it may."""

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from jobs import lifecycle
from jobs.errors import Conflict, GroupNotFound, JobNotFound, StoreUnavailable
from jobs.groups import ALL, ANY, Group, Join, OnFailure
from jobs.values import Job
from storage.changes.consequences import Consequences
from storage.claiming.claims import Ending
from storage.engine import Database
from tests.companies import TWO, Company, paint
from tests.servers import wait_until
from tests.test_needs import HOPELESS
from workers.errands.aftermath import FOLLOW

GROUPS = 25
REFUSALS = (Conflict, GroupNotFound, JobNotFound, StoreUnavailable)
JOINS = (ALL, ANY, TWO, Join(metric="outputs.0.bytes"))


class Crowd:
    """Threads that act at one database, each with connections and chances of its own, until it is over."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.made: list[str] = []
        self.retried: set[str] = set()  # jobs that somebody retried by themselves, and so wants whoever else has won
        self.over = threading.Event()
        self.faults: list[BaseException] = []

    def begin(self, number: int, act: Callable[[Company, random.Random], None]) -> threading.Thread:
        thread = threading.Thread(target=self._act, args=(number, act))
        thread.start()
        return thread

    def _act(self, number: int, act: Callable[[Company, random.Random], None]) -> None:
        database = Database(self.url)
        company, chance = Company(database), random.Random(number)
        company.consequences = Consequences(database, FOLLOW)
        while not self.over.is_set():
            try:
                with suppress(*REFUSALS):
                    act(company, chance)
            except Exception as fault:  # the test shall tell of it
                self.faults.append(fault)
        database.close()

    def submit(self, company: Company, chance: random.Random) -> None:
        if len(self.made) >= GROUPS:
            time.sleep(0.01)
            return
        order = company.order(chance.randint(2, 5), chance.choice(JOINS), on_failure=chance.choice(list(OnFailure)))
        *first, last = order.members
        last = replace(last, needs=(first[0].id,)) if chance.random() < 0.5 else last
        group = company.groups.submit(replace(order, members=(*first, last))).group
        assert group
        self.made.append(group.id)

    def work(self, company: Company, chance: random.Random) -> None:
        jobs = company.claim(0, f"worker-{threading.get_ident()}")
        endings = [Ending(job.id, job.fence, _fate(chance), race=job.lineage.race) for job in jobs]
        time.sleep(chance.uniform(0, 0.01))
        if endings:
            company.claims.conclude(endings)

    def follow(self, company: Company, _chance: random.Random) -> None:
        if not company.consequences.work_off()[0]:
            time.sleep(0.005)

    def meddle(self, company: Company, chance: random.Random) -> None:
        time.sleep(chance.uniform(0, 0.03))
        if not self.made:
            return
        group_id = chance.choice(self.made)
        groups = company.groups.get_many([group_id])
        if not groups:
            return
        job_id = chance.choice(groups[0].members).job_id
        acts: list[Callable[[], object]] = [
            partial(company.groups.cancel, group_id),
            partial(company.groups.retry, group_id),
            partial(company.groups.delete, group_id),
            partial(company.store.cancel, job_id),
            partial(self._retry, company, job_id),
            partial(company.store.delete, job_id),
        ]
        chance.choices(acts, weights=(4, 4, 1, 3, 3, 1))[0]()

    def _retry(self, company: Company, job_id: str) -> None:
        company.store.retry(job_id)
        self.retried.add(job_id)


def test_whoever_acts_at_once_every_group_ends_and_agrees_with_them(database_url: str, database: Database) -> None:
    crowd = Crowd(database_url)
    meddling = [crowd.begin(number, crowd.meddle) for number in range(2)]
    acts = (crowd.submit, crowd.work, crowd.work, crowd.work, crowd.follow, crowd.follow)
    working = [crowd.begin(number, act) for number, act in enumerate(acts, 10)]
    wait_until(lambda: len(crowd.made) >= GROUPS, "all groups are submitted")
    time.sleep(1.0)
    company = Company(database)
    crowd.over.set()
    for thread in [*meddling, *working]:
        thread.join()
    _settle_down(company)
    assert crowd.faults == []
    groups = company.groups.get_many(crowd.made)
    assert groups
    for group in groups:
        _check(company, group, crowd.retried)


def _fate(chance: random.Random) -> Callable[..., lifecycle.Change]:
    ends: list[Callable[..., lifecycle.Change]] = [
        paint,
        lambda job, now: lifecycle.fail(job, HOPELESS, now),
        lifecycle.hand_back,
    ]
    return chance.choices(ends, weights=(6, 1, 1))[0]


def _settle_down(company: Company) -> None:
    """Every job comes to its end, and everything follows from it."""
    company.consequences = Consequences(company.claims.database, FOLLOW)
    quiet = 0
    while quiet < 2:
        for worker in company.claims.holders():
            company.claims.release(worker)
        jobs: list[Job] = company.claim()
        company.claims.conclude([Ending(job.id, job.fence, paint, race=job.lineage.race) for job in jobs])
        quiet = 0 if company.consequences.work_off()[0] or jobs else quiet + 1


def _check(company: Company, group: Group, retried: set[str]) -> None:
    jobs = {job.id: job for job in company.store.get_many([member.job_id for member in group.members])}
    assert group.final, group
    for member in group.members:
        job = jobs.get(member.job_id)
        assert (member.status, member.seq) == ((job.status.value, job.seq) if job else ("deleted", member.seq)), group
    if group.join.first:
        winners = [member for member in group.members if member.succeeded and member.job_id not in retried]
        assert max(len(winners), len(group.chosen)) <= group.join.first, (group, retried)
