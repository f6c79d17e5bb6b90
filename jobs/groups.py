"""A group: jobs that run side by side and whose results are joined into one. What it is, and what the present state
of its members means for it. Pure, as the lifecycle is: a group's status is never set, it is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from jobs.values import FINAL, Fault, Output, Status, Submission

DELETED = "deleted"  # the status of a member whose job is gone


class GroupStatus(StrEnum):
    """Where a group stands. `waiting`: no member has begun. `partial`: all are over, and the join could not be had,
    but some of it could."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELED = "canceled"


ENDED = frozenset({GroupStatus.SUCCEEDED, GroupStatus.PARTIAL, GroupStatus.FAILED, GroupStatus.CANCELED})
REOPENABLE = ENDED - {GroupStatus.SUCCEEDED}


class OnFailure(StrEnum):
    """What a member that ends without a result means for the others."""

    FAIL_FAST = "fail_fast"  # they are canceled, and the group has failed
    CONTINUE = "continue"  # they go on, and the group gets what it can


@dataclass(frozen=True, slots=True)
class Join:
    """Which of the members' results make the group's. All of them; the `first` few that succeed; or the best by a
    number in the job's document, once all are over."""

    first: int | None = None
    metric: str | None = None
    least: bool = False  # the best has the smallest number


ALL = Join()
ANY = Join(first=1)


@dataclass(frozen=True, slots=True)
class Member:
    """One job of a group, as it was when its last change was settled."""

    position: int  # never changes
    name: str  # never changes
    job_id: str  # never changes
    status: str  # a job's status, or DELETED
    seq: int  # of the job
    begun: bool  # somebody has claimed it
    finished_at: datetime | None
    metric: float | None  # of one that succeeded, where the join asks for it
    outputs: tuple[Output, ...]

    @property
    def over(self) -> bool:
        return self.status == DELETED or self.status in FINAL

    @property
    def succeeded(self) -> bool:
        return self.status == Status.SUCCEEDED.value


@dataclass(frozen=True, slots=True)
class Group:
    """A group as its rows stand. The comments say how each field moves over time."""

    id: str  # UUIDv7 text; never changes
    tenant: str  # never changes
    status: GroupStatus  # as it was judged last
    join: Join  # never changes
    on_failure: OnFailure  # never changes
    deadline: datetime | None  # that its members were given; never changes
    metadata: Mapping[str, Any]  # as the client gave it; never changes
    webhook: str | None  # whom to tell of its end; never changes
    cancel_requested: bool  # set by a cancel; cleared by a retry
    chosen: tuple[int, ...]  # positions of the members that are joined, once that is decided; cleared by a retry
    error: Fault | None  # set with an end that is not a success; cleared by a retry
    seq: int  # +1 with every committed change of the group or of a member
    created_at: datetime
    finished_at: datetime | None  # set with an end; cleared by a retry
    members: tuple[Member, ...]  # by position

    @property
    def final(self) -> bool:
        return self.status in ENDED

    @property
    def joined(self) -> list[Member]:
        """The members whose results make the group's, in the order of members."""
        return [member for member in self.members if member.position in self.chosen]


@dataclass(frozen=True, slots=True)
class GroupOrder:
    """A valid request for a group: its members' submissions carry its id, their names and, the first of them, its
    Idempotency-Key."""

    id: str
    tenant: str
    join: Join
    on_failure: OnFailure
    members: Sequence[Submission]
    deadline: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    webhook: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the members' present state means. `stop`: those that are not over are not wanted any more."""

    status: GroupStatus
    chosen: tuple[int, ...] = ()
    error: Fault | None = None
    stop: bool = False


def judge(group: Group) -> Verdict:
    """A group ends when its last member is over, though its results are there as soon as they are decided: so nothing
    of it still runs once it is final. One that has ended cancels nobody: whoever retries a member by itself
    wants it."""
    if group.status is GroupStatus.SUCCEEDED:
        return Verdict(group.status, group.chosen)
    over = all(member.over for member in group.members)
    if group.final and not over:
        return Verdict(group.status, group.chosen, group.error)
    chosen = group.chosen if group.chosen and not group.final else _winners(group, over)
    if not over:
        begun = any(member.begun or member.over for member in group.members)
        status = GroupStatus.RUNNING if begun else GroupStatus.WAITING
        return Verdict(status, chosen, stop=bool(chosen) or _is_doomed(group) or group.cancel_requested)
    return Verdict(GroupStatus.SUCCEEDED, chosen) if chosen else _without_join(group)


def _without_join(group: Group) -> Verdict:
    """All are over, and the join cannot be had."""
    succeeded = tuple(member.position for member in group.members if member.succeeded)
    if group.cancel_requested:
        return Verdict(GroupStatus.CANCELED)
    if group.join.metric and succeeded:
        detail = f"No member that succeeded has a number at {group.join.metric}."
        return Verdict(GroupStatus.FAILED, error=Fault("metric_missing", detail, retryable=False))
    if succeeded and group.on_failure is OnFailure.CONTINUE:
        return Verdict(GroupStatus.PARTIAL, succeeded, _shortfall(group))
    if all(member.status == Status.CANCELED.value for member in group.members):
        return Verdict(GroupStatus.CANCELED)
    return Verdict(GroupStatus.FAILED, error=_shortfall(group))


def _winners(group: Group, over: bool) -> tuple[int, ...]:
    """The positions that are joined, if that is decided already; empty as long as it is not."""
    join, succeeded = group.join, [member for member in group.members if member.succeeded]
    if _is_doomed(group) or not (over or join.first):
        return ()
    if join.first:
        early = sorted(succeeded, key=lambda member: (member.finished_at, member.position))[: join.first]
        return tuple(sorted(member.position for member in early)) if len(early) == join.first else ()
    if join.metric:
        sign = 1.0 if join.least else -1.0
        ranked = sorted((sign * one.metric, one.position) for one in succeeded if one.metric is not None)
        return (ranked[0][1],) if ranked else ()
    return tuple(member.position for member in succeeded) if len(succeeded) == len(group.members) else ()


def _is_doomed(group: Group) -> bool:
    return group.on_failure is OnFailure.FAIL_FAST and any(map(_failed, group.members))


def _failed(member: Member) -> bool:
    return member.over and not member.succeeded


def _shortfall(group: Group) -> Fault:
    names = [member.name for member in group.members if _failed(member)]
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    detail = f"{len(names)} of {len(group.members)} members ended without a result: {shown}."
    return Fault("member_failed", detail, retryable=True)


def measure(document: Mapping[str, Any], path: str) -> float | None:
    """The number at a dotted path of a job's document; None where there is none."""
    found: Any = document
    for part in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, Sequence) and not isinstance(found, str) and part.isdigit():
            found = found[int(part)] if int(part) < len(found) else None
        else:
            return None
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if is_number else None
