"""Consequences over which a courier stumbles, on both databases: what is tried again, and what is set aside."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, select

from jobs.values import Job, Status
from storage.changes import consequences
from storage.changes.consequences import Consequences
from storage.changes.outbox import Consequence
from storage.engine import Database
from storage.jobs.needs import meet_needs
from storage.tables import CONSEQUENCES
from tests.test_needs import Waiters


class Stumbler:
    """What a courier would do, but for one subject it raises so many times."""

    def __init__(self, subject: str, times: int) -> None:
        self._subject = subject
        self._left = times

    def __call__(self, _connection: Connection, happened: list[Consequence], _now: datetime) -> list[Job]:
        if self._left and any(one.subject == self._subject for one in happened):
            self._left -= 1
            raise ValueError("a bug")
        return []


def set_aside(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(connection.execute(select(CONSEQUENCES.c.subject)).scalars())


def test_who_met_another_that_began_the_same_work_is_not_set_aside(database: Database) -> None:
    house = Waiters(database)
    need = house.submit()
    job_id = house.submit(needs=(need,))
    house.succeed(house.claim_one())
    house.consequences = Consequences(database, [Stumbler(need, 2), meet_needs])  # type: ignore[list-item]
    house.work_off()
    assert (house.status(job_id), set_aside(database)) == (Status.QUEUED, set())


def test_only_what_was_stumbled_over_is_set_aside_though_another_courier_has_it_by_then(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = Waiters(database)
    poison, need = house.submit(consequential=True), house.submit()
    job_id = house.submit(needs=(need,))
    house.succeed(house.claim_one())
    house.succeed(house.claim_one())
    house.consequences = Consequences(database, [Stumbler(poison, 1_000), meet_needs])  # type: ignore[list-item]
    take, looks = consequences._take, 0

    def take_what_is_free(connection: Connection, limit: int) -> list[Any]:
        nonlocal looks
        looks += 1
        free = [one for one in take(connection, 100) if looks != 3 or one.subject != poison]
        return free[:limit]

    monkeypatch.setattr(consequences, "_take", take_what_is_free)
    house.work_off()
    assert (house.status(job_id), set_aside(database)) == (Status.QUEUED, {poison})
