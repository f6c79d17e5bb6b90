"""Batches cost their database no more than single jobs, and their heartbeats never stand in their way."""

import threading

from jobs.errors import StoreUnavailable
from storage.claiming.claims import Claims
from storage.engine import Database
from storage.jobs.store import JobStore
from tests.batches import submission, success
from tests.query_plans import statements_of


def test_a_batch_of_eight_costs_as_many_statements_as_a_batch_of_one(database: Database) -> None:
    JobStore(database).submit([submission() for _ in range(9)])
    claims = Claims(database)
    counted = []
    for companions in (0, 7):
        with statements_of(database) as claiming:
            jobs = claims.claim("gpu", "w", 60.0, lambda _, most=companions: most)
        with statements_of(database) as beating:
            claims.renew({job.id: job.fence for job in jobs}, 60.0)
        with statements_of(database) as concluding:
            assert all(claims.conclude([success(job.id, job.fence) for job in jobs]))
        counted.append((len(jobs), len(claiming), len(beating), len(concluding)))
    merged = 0 if database.is_sqlite else 1  # PostgreSQL inserts into two tables at once
    assert counted == [(1, 5 - merged, 1, 5 - merged), (8, 6 - merged, 1, 5 - merged)]


def test_a_heartbeat_and_a_conclusion_of_the_same_batch_never_block_each_other(database: Database) -> None:
    store, claims = JobStore(database), Claims(database)
    held: dict[str, int] = {}
    over, faults = threading.Event(), []

    def beat() -> None:
        while not over.is_set():
            try:
                claims.renew(held, 60.0)
            except StoreUnavailable as fault:
                faults.append(fault)

    heart = threading.Thread(target=beat)
    heart.start()
    try:
        for _ in range(15):
            store.submit([submission() for _ in range(16)])
            jobs = claims.claim("gpu", "w", 60.0, lambda _: 15)
            held = {job.id: job.fence for job in jobs}
            for job in reversed(jobs):  # so that PostgreSQL finds the rows in another order than that of their ids
                claims.renew({job.id: job.fence}, 60.0)
            claims.conclude([success(job.id, job.fence) for job in jobs])
    finally:
        over.set()
        heart.join()
    assert not faults
