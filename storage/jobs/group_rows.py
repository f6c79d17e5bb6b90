"""Between the rows of groups and members and the values they hold."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Connection, select

from jobs.group_document import join_document, join_of
from jobs.groups import Group, GroupStatus, Member, OnFailure
from jobs.values import Fault, Output
from storage.tables import GROUPS, MEMBERS

_GROUP_FIELDS = [field.name for field in fields(Group) if field.name != "members"]
_GROUP_COLUMNS = tuple(GROUPS.c[name] for name in _GROUP_FIELDS)
_MEMBER_FIELDS = [field.name for field in fields(Member)]
_MEMBER_COLUMNS = tuple(MEMBERS.c[name] for name in _MEMBER_FIELDS)


def read_groups(connection: Connection, group_ids: Sequence[str], *, lock: bool = False) -> list[Group]:
    """Those that exist, in the order of ids. Everybody locks a group before its members' jobs: so two who settle the
    same one wait for each other instead of blocking each other."""
    if not group_ids:
        return []
    query = select(*_GROUP_COLUMNS).where(GROUPS.c.id.in_(group_ids)).order_by(GROUPS.c.id)
    rows = connection.execute(query.with_for_update() if lock else query).all()
    which = MEMBERS.c.group_id.in_([row.id for row in rows])
    members: dict[str, list[Member]] = {row.id: [] for row in rows}
    query_members = select(MEMBERS.c.group_id, *_MEMBER_COLUMNS).where(which)
    for group_id, *cells in connection.execute(query_members.order_by(MEMBERS.c.group_id, MEMBERS.c.position)):
        members[group_id].append(_member_of(cells))
    return [_group_of(row, members[row.id]) for row in rows]


def group_row(group: Group) -> dict[str, Any]:
    """The cells of a group's row, ready to insert."""
    cells = {name: getattr(group, name) for name in _GROUP_FIELDS}
    cells["join"] = join_document(group.join)
    cells["status"], cells["on_failure"] = group.status.value, group.on_failure.value
    cells["chosen"] = list(group.chosen)
    cells["error"] = asdict(group.error) if group.error else None
    return cells


def member_row(group_id: str, member: Member) -> dict[str, Any]:
    cells = {name: getattr(member, name) for name in _MEMBER_FIELDS}
    return {"group_id": group_id, **cells, "outputs": [asdict(output) for output in member.outputs]}


def _group_of(row: Any, members: Sequence[Member]) -> Group:
    cells: Mapping[str, Any] = dict(zip(_GROUP_FIELDS, row, strict=True))
    values = {
        "status": GroupStatus(cells["status"]),
        "join": join_of(cells["join"]),
        "on_failure": OnFailure(cells["on_failure"]),
        "chosen": tuple(cells["chosen"]),
        "error": Fault(**cells["error"]) if cells["error"] else None,
    }
    return Group(**{**cells, **values}, members=tuple(members))


def _member_of(cells: Sequence[Any]) -> Member:
    values = dict(zip(_MEMBER_FIELDS, cells, strict=True))
    return Member(**values | {"outputs": tuple(Output(**output) for output in values["outputs"])})
