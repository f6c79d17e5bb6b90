"""The group as every channel shows it."""

from collections.abc import Callable, Mapping
from typing import Any

from jobs.document import Document, output_document, timestamp
from jobs.groups import ALL, ANY, DELETED, Group, GroupStatus, Join, Member
from jobs.values import Progress, Status

ProgressOf = Callable[[str], Progress | None]


def group_document(group: Group, progress_of: ProgressOf = lambda _job_id: None) -> Document:
    path = f"/v1/groups/{group.id}"
    error = group.error
    return {
        "id": group.id,
        "status": group.status.value,
        "join": join_document(group.join),
        "on_member_failure": group.on_failure.value,
        "members": [
            {
                "name": member.name,
                "id": member.job_id,
                "status": member.status,
                "progress": round(_fraction(member, progress_of), 4),
                "joined": member.position in group.chosen,
            }
            for member in group.members
        ],
        "counts": {status: _count(group, status) for status in (*map(str, Status), DELETED)},
        "outputs": [output_document(output) for member in group.joined for output in member.outputs],
        "progress": round(group_progress(group, progress_of), 4),
        "cancel_requested": group.cancel_requested,
        "error": error and {"code": error.code, "message": error.message, "retryable": error.retryable},
        "deadline": timestamp(group.deadline),
        "metadata": group.metadata,
        "created_at": timestamp(group.created_at),
        "finished_at": timestamp(group.finished_at),
        "seq": group.seq,
        "urls": {
            "self": path,
            "events": f"{path}/events",
            "cancel": f"{path}/cancel",
            "retry": f"{path}/retry",
        },
    }


def group_progress(group: Group, progress_of: ProgressOf = lambda _job_id: None) -> float:
    """Of those that are wanted: where the first few count, of the few that are furthest."""
    if group.final:
        return 1.0 if group.status in (GroupStatus.SUCCEEDED, GroupStatus.PARTIAL) else 0.0
    first = group.join.first
    parts = [1.0 if member.over and not first else _fraction(member, progress_of) for member in group.members]
    wanted = sorted(parts, reverse=True)[:first]
    return sum(wanted) / len(wanted)


def join_document(join: Join) -> Any:
    """As a client says it."""
    if join == ALL:
        return "all"
    if join == ANY:
        return "any"
    if join.metric:
        return {"best": {"metric": join.metric, "order": "min" if join.least else "max"}}
    return {"first": join.first}


def join_of(said: Any) -> Join:
    """What `join_document` makes, read back; it was checked before."""
    if isinstance(said, Mapping) and "best" in said:
        return Join(metric=said["best"]["metric"], least=said["best"]["order"] == "min")
    if isinstance(said, Mapping):
        return Join(first=said["first"])
    return ANY if said == "any" else ALL


def _fraction(member: Member, progress_of: ProgressOf) -> float:
    """Progress counts only under the very change it was seen under."""
    if member.status == Status.RUNNING.value:
        progress = progress_of(member.job_id)
        return progress.fraction if progress and progress.seq == member.seq else 0.0
    return 1.0 if member.succeeded else 0.0


def _count(group: Group, status: str) -> int:
    return sum(member.status == status for member in group.members)
