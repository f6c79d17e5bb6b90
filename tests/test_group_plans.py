"""What groups ask of the database costs the same however many groups have ended."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from jobs.groups import ALL, GroupStatus, OnFailure
from jobs.identity import new_id
from storage.claiming.claims import Ending
from storage.engine import Database
from storage.migrations import upgrade
from tests.companies import TWO, Company, end_many_groups, paint
from tests.query_plans import Cost, costs_of
from tests.servers import new_postgres_database

ENDED = 5_000
TOUCHED_MOST = 1_000


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def crowded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with many groups that have ended, and a few that have not."""
    if request.param == "postgresql":
        database = Database(new_postgres_database(request.getfixturevalue("postgres")))
    else:
        database = Database(f"sqlite:///{tmp_path_factory.mktemp('groups') / 'jobs.db'}")
        upgrade(database)
    end_many_groups(database, ENDED)
    with database.writing() as connection:
        connection.execute(text("ANALYZE"))
    yield database
    database.close()


def _race(company: Company) -> None:
    made = company.gather(4, TWO)
    jobs = [company.claim_one() for _ in range(4)]
    company.claims.conclude([Ending(job.id, job.fence, paint, race=made.id) for job in jobs])
    company.work_off()
    assert company.now(made).status is GroupStatus.SUCCEEDED


def _mend(company: Company) -> None:
    made = company.gather(3, ALL, on_failure=OnFailure.CONTINUE)
    company.groups.cancel(made.id)
    company.groups.retry(made.id)
    company.groups.cancel(made.id)
    company.groups.delete(made.id)
    company.work_off()


DUTIES: dict[str, Callable[[Company], Any]] = {
    "submit, race, settle": _race,
    "cancel, retry, delete": _mend,
    "get_many": lambda company: company.groups.get_many([new_id() for _ in range(128)]),
    "list": lambda company: company.groups.list("default"),
    "list by a rare status": lambda company: company.groups.list("default", statuses=[GroupStatus.FAILED]),
    "list by a status nobody has": lambda company: company.groups.list("default", statuses=[GroupStatus.PARTIAL]),
    "list since": lambda company: company.groups.list("default", since=datetime.now(UTC)),
    "list of another tenant": lambda company: company.groups.list("nobody"),
    "unfinished": lambda company: company.groups.unfinished("default", 1_000),
    "retire": lambda company: company.groups.retire(864_000.0, 20),
}


@pytest.mark.parametrize("duty", DUTIES.values(), ids=DUTIES)
def test_no_duty_reads_groups_that_have_ended_and_that_it_does_not_want(
    crowded: Database, duty: Callable[[Company], Any]
) -> None:
    with costs_of(crowded) as costs:
        duty(Company(crowded))
    assert costs, "nothing was asked"
    dear = [str(cost) for cost in costs if cost.touched > TOUCHED_MOST or _scans_groups(cost)]
    assert not dear, "\n".join(dear)


def _scans_groups(cost: Cost) -> bool:
    """There are next to no jobs here: a planner may well read them all."""
    return any("groups" in scan or "members" in scan for scan in cost.scans)
