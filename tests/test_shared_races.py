"""Races and the result cache, on both databases: nobody wins by what another made."""

import pytest

from jobs.values import Lineage, Status
from storage.engine import Database
from tests.test_results import Studio

RACER = Lineage(group="0197a000-0000-7000-8000-0000000000aa", first=1)


@pytest.fixture
def studio(database: Database) -> Studio:
    return Studio(database)


def test_a_racer_has_no_result_that_was_there_before_the_race(studio: Studio) -> None:
    studio.ask()
    studio.make()
    assert studio.ask().cached, "anybody else has it at once"
    racer = studio.ask(lineage=RACER)
    assert (racer.status, racer.cached) == (Status.QUEUED, False)


def test_a_racer_waits_for_nobodys_result_and_nobody_waits_for_a_racers(studio: Studio) -> None:
    studio.ask()
    assert studio.ask(lineage=RACER).status is Status.QUEUED
    studio.ask("another", lineage=RACER)
    assert studio.ask("another").status is Status.QUEUED
