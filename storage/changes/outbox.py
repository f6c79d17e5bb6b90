"""The outbox of consequences: what a change obliges to in other rows is written down in the transaction that makes
the change. Who works it off, storage.changes.consequences says."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, insert, update

from jobs.deliveries import event_of
from jobs.values import Event, Job
from storage.tables import CONSEQUENCES, JOBS

DELETED = "deleted"  # stands for the status of what is there no more


class Consequence(NamedTuple):
    """Something happened to `subject`, a job or an upload: it has had this status since. `event`: what that means to
    rules, if anything."""

    id: int
    subject: str
    status: str
    event: str | None = None


def record_consequences(connection: Connection, changed: Sequence[Job]) -> None:
    """Of these jobs, whose status has just changed. Costs nothing for those whose changes matter to nobody else."""
    matter = [job for job in changed if job.consequential]
    _insert(connection, [(job.id, job.status.value, event) for job in matter for event in _events_of(job)])


def record_deleted(connection: Connection, deleted: Sequence[Job]) -> None:
    """Of these jobs, whose rows are just deleted. How they ended is said already, and is what those go by who needed
    them."""
    write_down(connection, {job.id: DELETED for job in deleted if job.consequential})


def write_down(connection: Connection, happened: Mapping[str, str]) -> None:
    """By subject, the status that it came to have."""
    _insert(connection, [(subject, status, None) for subject, status in happened.items()])


def _insert(connection: Connection, happened: Sequence[tuple[str, str, str | None]]) -> None:
    if happened:
        rows = [{"subject": subject, "status": status, "event": event} for subject, status, event in happened]
        connection.execute(insert(CONSEQUENCES), rows)


def mark_consequential(connection: Connection, job_ids: Collection[str]) -> None:
    """From now on their changes matter to others. Whoever says so has locked them before."""
    matters = update(JOBS).where(JOBS.c.id.in_(job_ids), ~JOBS.c.consequential).values(consequential=True)
    connection.execute(matters)


def _events_of(job: Job) -> list[str | None]:
    """What rules may follow. A job that is finished as soon as it is submitted has come to two of them."""
    events = [Event.SUBMITTED if job.seq == 1 else None, event_of(job)]
    return [event for event in events if event] or [None]
