"""Conditions on a status, as literals: with a bound parameter a planner may not see that a partial index serves."""

from sqlalchemy import literal_column

from storage.tables import DELIVERIES, JOBS

QUEUED = JOBS.c.status == literal_column("'queued'")
RUNNING = JOBS.c.status == literal_column("'running'")
PENDING = DELIVERIES.c.status == literal_column("'pending'")
