"""Applying changes: the only write to a job's status anywhere. Each change is one guarded UPDATE, with its
`seq`, its place in the feed, its line in the attempts' history and what it means for the job's webhook and for
other rows in the same transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, Update, bindparam, case, update

from jobs.lifecycle import Change
from jobs.values import Job, Status
from storage.changes.feed import entry_of, said
from storage.changes.outbox import record_consequences
from storage.changes.results import keep_results
from storage.changes.rows import JOB_COLUMNS, job_of
from storage.inserting import Row, insert_rows
from storage.lists import one_of, pair_of
from storage.tables import ARTIFACTS, ATTEMPTS, JOBS
from storage.webhooks.deliveries import record_events


def change(connection: Connection, job_id: str, wanted: Change) -> Job | None:
    """Apply one change if its guards still hold.

    Returns:
        The job as it now stands, or None when the guards did not hold and nothing was written.
    """
    changed = change_all(connection, [job_id], wanted)
    return changed[0] if changed else None


def change_all(connection: Connection, job_ids: Sequence[str], wanted: Change) -> list[Job]:
    """Apply the same change to several jobs in one statement; those whose guards hold come back."""
    return _apply(connection, dict.fromkeys(job_ids, wanted))


def change_each(connection: Connection, wanted: Mapping[str, Change]) -> dict[str, Job]:
    """Apply to each job its own change. Those that differ in nothing but fence and outputs share their statements,
    as the members of a batch nearly always do.

    Returns:
        By id, the jobs whose guards held.
    """
    alike: list[tuple[Change, dict[str, Change]]] = []
    for job_id, change_of_one in wanted.items():
        common = _common(change_of_one)
        group = next((members for known, members in alike if known == common), None)
        if group is None:
            alike.append((common, group := {}))
        group[job_id] = change_of_one
    return {job.id: job for _, group in alike for job in _apply(connection, group)}


def _common(wanted: Change) -> Change:
    values = {name: value for name, value in wanted.values.items() if name != "outputs"}
    return replace(wanted, fence=None, values=values)


def _apply(connection: Connection, group: Mapping[str, Change]) -> list[Job]:
    """One UPDATE for jobs whose changes are alike, guarded for each of them by its own fence."""
    if not group:
        return []
    wanted = next(iter(group.values()))
    differ = "outputs" in wanted.values and any(change_of_one is not wanted for change_of_one in group.values())
    each_its_own = len(group) if differ else 0
    query = _update(
        wanted.before, tuple(wanted.values), tuple(wanted.increments.items()), wanted.fence is not None, each_its_own
    )
    rows = connection.execute(query, _parameters(group, wanted, each_its_own)).all()
    changed = [job_of(row) for row in rows]
    if changed:
        entries = [entry_of(job, wanted.verb) for job in changed]
        insert_rows(connection, said(entries), listed(changed), _begun(changed, wanted))
        _end_attempts(connection, changed, wanted)
        if wanted.verb == "succeed":
            keep_results(connection, changed)
        if "status" in wanted.values:
            record_events(connection, changed)
            record_consequences(connection, changed)
    return changed


@lru_cache(maxsize=256)  # made once: what SQLAlchemy makes anew for each call costs more than running it
def _update(
    before: frozenset[Status],
    names: tuple[str, ...],
    increments: tuple[tuple[str, int], ...],
    fenced: bool,
    each_its_own: int,
) -> Update:
    """The statement for changes of one kind. So many jobs get outputs of their own; the other values are the same
    for all."""
    statuses = [status.value for status in before]
    these = pair_of(JOBS.c.id, JOBS.c.fence, "fences") if fenced else one_of(JOBS.c.id, "ids")
    query = update(JOBS).where(these, JOBS.c.status.in_(statuses))
    values: dict[str, ColumnElement[Any]] = {name: _new(name) for name in names}
    if each_its_own:
        own = [(bindparam(f"owner_{n}", type_=JOBS.c.id.type), _new("outputs", n)) for n in range(each_its_own)]
        values["outputs"] = case(*own, value=JOBS.c.id)
    counted = {name: JOBS.c[name] + step for name, step in (*increments, ("seq", 1))}
    return query.values(**values, **counted).returning(*JOB_COLUMNS)


def _new(name: str, which: int | str = "") -> ColumnElement[Any]:
    return bindparam(f"new_{name}{which}", type_=JOBS.c[name].type)


def _parameters(group: Mapping[str, Change], wanted: Change, each_its_own: int) -> dict[str, Any]:
    values = {f"new_{name}": v.value if isinstance(v, Enum) else v for name, v in wanted.values.items()}
    if wanted.fence is not None:
        values["fences"] = [(job_id, change_of_one.fence) for job_id, change_of_one in group.items()]
    else:
        values["ids"] = list(group)
    if each_its_own:
        del values["new_outputs"]
        for number, (job_id, change_of_one) in enumerate(group.items()):
            values[f"owner_{number}"] = job_id
            values[f"new_outputs{number}"] = change_of_one.values["outputs"]
    return values


def listed(changed: Sequence[Job]) -> tuple[Table, Sequence[Row]]:
    """What those of them that have succeeded list."""
    succeeded = [job for job in changed if job.status is Status.SUCCEEDED]
    return ARTIFACTS, [{"key": key, "job_id": job.id} for job in succeeded for key in {o.key for o in job.outputs}]


def _begun(changed: Sequence[Job], wanted: Change) -> tuple[Table, Sequence[Row]]:
    """The attempts that a claim begins."""
    claimed = changed if wanted.verb == "claim" else ()
    return ATTEMPTS, [
        {
            "job_id": job.id,
            "fence": job.fence,
            "number": job.attempt,
            "worker": job.worker,
            "started_at": job.started_at,
            "details": "",
        }
        for job in claimed
    ]


def _end_attempts(connection: Connection, changed: Sequence[Job], wanted: Change) -> None:
    """Every change that leaves `running` ends them."""
    if Status.RUNNING in wanted.before and "status" in wanted.values:
        ended = [(job.id, job.fence) for job in changed]
        connection.execute(
            _END_ATTEMPTS,
            {
                "fences": ended,
                "ended_at": wanted.at,
                "how": wanted.verb,
                "fault": wanted.values.get("error"),
                "trace": wanted.details,
            },
        )


_END_ATTEMPTS = (
    update(ATTEMPTS)
    .where(pair_of(ATTEMPTS.c.job_id, ATTEMPTS.c.fence, "fences"))
    .values(
        finished_at=bindparam("ended_at"),
        outcome=bindparam("how"),
        error=bindparam("fault"),
        details=bindparam("trace"),
    )
)
