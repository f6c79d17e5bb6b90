"""The outbox of consequences: what a change obliges to in other rows is written down in the transaction that makes
the change. Who works it off, storage.consequences says."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, insert, update

from jobs.values import Job
from storage.tables import CONSEQUENCES, JOBS

DELETED = "deleted"  # stands for the status of what is there no more


class Consequence(NamedTuple):
    """Something happened to `subject`, a job or an upload: it has had this status since."""

    id: int
    subject: str
    status: str


def record_consequences(connection: Connection, changed: Sequence[Job]) -> None:
    """Of these jobs, whose status has just changed. Costs nothing for those whose changes matter to nobody else."""
    write_down(connection, {job.id: job.status.value for job in changed if job.consequential})


def record_deleted(connection: Connection, deleted: Sequence[Job]) -> None:
    """Of these jobs, whose rows are just deleted. How they ended is said already, and is what those go by who needed
    them."""
    write_down(connection, {job.id: DELETED for job in deleted if job.consequential})


def write_down(connection: Connection, happened: Mapping[str, str]) -> None:
    """By subject, the status that it came to have."""
    rows = [{"subject": subject, "status": status} for subject, status in happened.items()]
    if rows:
        connection.execute(insert(CONSEQUENCES), rows)


def mark_consequential(connection: Connection, job_ids: Collection[str]) -> None:
    """From now on their changes matter to others. Whoever says so has locked them before."""
    matters = update(JOBS).where(JOBS.c.id.in_(job_ids), ~JOBS.c.consequential).values(consequential=True)
    connection.execute(matters)
