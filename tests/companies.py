"""A house whose jobs may be in groups, for tests of the store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from jobs import lifecycle
from jobs.groups import ALL, Group, GroupOrder, GroupStatus, Join, OnFailure
from jobs.identity import first_id_since, new_id, new_job_id
from jobs.values import Job, Lineage, Output
from storage.changes.consequences import Consequences
from storage.engine import Database
from storage.jobs.group_rows import group_row, member_row
from storage.jobs.groups import GroupStore
from storage.jobs.needs import meet_needs
from storage.jobs.settling import settle_groups
from storage.tables import GROUPS, MEMBERS
from tests.test_groups import group
from tests.test_needs import Waiters

TWO = Join(first=2)


class Company(Waiters):
    """A house in which groups are settled as well."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.groups = GroupStore(database)
        self.consequences = Consequences(database, [settle_groups, meet_needs])

    def order(self, count: int, join: Join = ALL, member: dict[str, Any] | None = None, **given: Any) -> GroupOrder:
        group_id = new_id()
        members = [
            self.wanted(
                id=new_job_id(),
                batch_key=None,
                consequential=True,
                lineage=Lineage(group=group_id, member=f"m{position}", first=join.first),
                **member or {},
            )
            for position in range(count)
        ]
        policy = OnFailure.FAIL_FAST if join == ALL else OnFailure.CONTINUE
        order = GroupOrder(group_id, "default", join, policy, members)
        return replace(order, **given)

    def gather(self, count: int, join: Join = ALL, **given: Any) -> Group:
        ordered = self.groups.submit(self.order(count, join, **given))
        assert ordered.group
        return ordered.group

    def now(self, group: Group) -> Group:
        (found,) = self.groups.get_many([group.id])
        return found

    def statuses(self, group: Group) -> list[str]:
        self.work_off()
        return [member.status for member in self.now(group).members]


def end_many_groups(database: Database, count: int) -> None:
    """Groups of a month ago, without their jobs; one in five hundred has failed."""
    old = [_ended(number) for number in range(count)]
    with database.writing() as connection:
        connection.execute(insert(GROUPS), [group_row(one) for one in old])
        connection.execute(insert(MEMBERS), [member_row(one.id, member) for one in old for member in one.members])


def _ended(number: int) -> Group:
    moment = datetime.now(UTC) - timedelta(days=30) + timedelta(seconds=number)
    plain = group("succeeded", "succeeded", status=GroupStatus.SUCCEEDED)
    members = tuple(replace(member, job_id=new_id()) for member in plain.members)
    return replace(
        plain,
        id=first_id_since(moment),
        tenant="default",
        status=GroupStatus.FAILED if number % 500 == 0 else GroupStatus.SUCCEEDED,
        created_at=moment,
        finished_at=moment,
        members=members,
    )


def paint(current: Job, now: datetime) -> lifecycle.Change:
    return lifecycle.succeed(current, [Output(f"{current.id}.png", "ab", "image/png", 7)], now)
