"""Neither priority starves the other: a worker's every so-manyth claim takes a batch job first."""

import pytest

from jobs.values import Priority
from storage.claiming.claims import Claims
from storage.engine import Database
from storage.jobs.store import JobStore
from tests.batches import submission
from workers.choosing.shares import Shares


@pytest.fixture
def claims(database: Database) -> Claims:
    return Claims(database)


def fill(claims: Claims, interactive: int, batch: int) -> None:
    wanted = [Priority.BATCH] * batch + [Priority.INTERACTIVE] * interactive
    JobStore(claims.database).submit([submission(priority=one, batch_key=None) for one in wanted])


def claimed(claims: Claims, shares: Shares, number: int) -> str:
    """The priorities of so many claims, as letters."""
    letters = ""
    for _ in range(number):
        jobs = claims.claim("gpu", "w", 60.0, lambda _: 0, batch_first=shares.batch_first("gpu"))
        shares.note("gpu", jobs)
        letters += "".join(job.priority.word[0] for job in jobs) or "-"
    return letters


def test_of_five_claims_one_is_a_batch_jobs_and_four_are_interactive(claims: Claims) -> None:
    fill(claims, interactive=20, batch=20)
    assert claimed(claims, Shares(0.2), 15) == "iiiib" * 3


def test_while_interactive_work_never_ends_a_batch_job_that_comes_is_owed_its_turn(claims: Claims) -> None:
    shares = Shares(0.25)
    fill(claims, interactive=6, batch=0)
    assert claimed(claims, shares, 5) == "iiiii"
    fill(claims, interactive=4, batch=2)
    assert claimed(claims, shares, 7) == "biiibii"


def test_after_a_moment_without_work_interactive_goes_first_however_much_of_it_there_was(claims: Claims) -> None:
    shares = Shares(0.25)
    fill(claims, interactive=7, batch=0)
    assert claimed(claims, shares, 8) == "iiiiiii-"
    fill(claims, interactive=1, batch=1)
    assert claimed(claims, shares, 2) == "ib"


def test_batch_jobs_have_all_there_is_when_nothing_is_interactive(claims: Claims) -> None:
    fill(claims, interactive=1, batch=5)
    assert claimed(claims, Shares(0.1), 6) == "ibbbbb"


def test_without_a_share_interactive_goes_first_for_as_long_as_it_lasts(claims: Claims) -> None:
    fill(claims, interactive=30, batch=1)
    assert claimed(claims, Shares(0.0), 31) == "i" * 30 + "b"


def test_older_batch_jobs_go_before_younger_ones_in_their_turn(claims: Claims) -> None:
    fill(claims, interactive=2, batch=3)
    (first,) = claims.claim("gpu", "w", 60.0, lambda _: 0, batch_first=True)
    (second,) = claims.claim("gpu", "w", 60.0, lambda _: 0, batch_first=True)
    assert first.priority is second.priority is Priority.BATCH
    assert first.id < second.id
