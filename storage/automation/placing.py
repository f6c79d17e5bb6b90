"""Orders that no client waits for, of a job or of a group: placed in the transaction that makes them due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from jobs.groups import GroupOrder
from jobs.values import Job, Submission
from storage.automation.rules import marked_for_rules
from storage.jobs.groups import insert_group
from storage.jobs.submissions import insert_submissions

Wanted = Submission | GroupOrder


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of an order: the job's or the group's id, and the new jobs; or why there is none."""

    made_id: str | None
    jobs: Sequence[Job] = ()
    refusal: str | None = None


def place(connection: Connection, wanted: Wanted, now: datetime) -> Placed:
    """What was ordered under the same key before is not ordered again.

    Raises:
        Overtaken, IntegrityError: another process was first in the same moment; to be tried again.
    """
    if isinstance(wanted, GroupOrder):
        return _place_group(connection, wanted, now)
    (submitted,) = insert_submissions(connection, marked_for_rules(connection, [wanted]), now)
    if submitted.job is None:
        return Placed(None, refusal=submitted.refusal)
    return Placed(submitted.job.id, () if submitted.replayed else (submitted.job,))


def _place_group(connection: Connection, wanted: GroupOrder, now: datetime) -> Placed:
    ordered = insert_group(connection, wanted, now)
    if ordered.group is None:
        reasons = filter(None, (lacking.refusal for lacking in ordered.lacking.values()))
        return Placed(None, refusal="; ".join(dict.fromkeys(reasons)) or "Its key is taken.")
    return Placed(ordered.group.id, () if ordered.replayed else ordered.jobs)
