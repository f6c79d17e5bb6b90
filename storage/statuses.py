"""Conditions on a status, as literals: with a bound parameter a planner may not see that a partial index serves."""

from sqlalchemy import literal_column

from storage.tables import BATCH_LINES, CONSEQUENCES, DELIVERIES, JOBS, UPLOADS

QUEUED = JOBS.c.status == literal_column("'queued'")
WAITING = JOBS.c.status == literal_column("'waiting'")
NOT_STARTED = JOBS.c.status.in_([literal_column("'queued'"), literal_column("'waiting'")])
RUNNING = JOBS.c.status == literal_column("'running'")
PENDING = DELIVERIES.c.status == literal_column("'pending'")
FETCHABLE = UPLOADS.c.status == literal_column("'pending'")
OPEN = CONSEQUENCES.c.fault.is_(None)
OPEN_LINE = BATCH_LINES.c.state == literal_column("'open'")
