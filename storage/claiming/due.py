"""Which jobs of a queue a worker may claim now, and in which order: with `of_queue` and `now` as parameters, since
statements that are made once are run many times."""

from sqlalchemy import bindparam, or_

from storage.statuses import QUEUED
from storage.tables import JOBS

CLAIM_ORDER = (JOBS.c.priority, JOBS.c.id)

_NOW = bindparam("now", type_=JOBS.c.run_after.type)
DUE = (
    QUEUED,
    JOBS.c.queue == bindparam("of_queue"),
    JOBS.c.run_after <= _NOW,
    or_(JOBS.c.deadline.is_(None), JOBS.c.deadline > _NOW, JOBS.c.attempt > 0),
)
