"""Identifiers: the ids of jobs and deliveries, and the seed that follows from a job's."""

import uuid
from datetime import datetime, timedelta

import uuid_utils

_SEED_BITS = 32
_CLOCK_MARGIN = timedelta(minutes=1)  # an id is drawn a little before its row's created_at, by another clock


def new_job_id() -> str:
    """A UUIDv7: sorts by creation time, so "newest first" needs no second index."""
    return str(uuid_utils.uuid7())


def new_id() -> str:
    """A UUIDv7 for anything else."""
    return str(uuid_utils.uuid7())


def new_file_id() -> str:
    return f"file-{uuid_utils.uuid7().hex}"


def new_batch_id() -> str:
    return f"batch_{uuid_utils.uuid7().hex}"


def first_id_since(moment: datetime) -> str:
    """An id that is smaller than all of rows created since then: with it an index over ids serves "since"."""
    digits = f"{max(0, int((moment - _CLOCK_MARGIN).timestamp() * 1000)):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


def parse_job_id(text: str) -> str | None:
    """The canonical form of an id, a job's or a delivery's, or None when the text cannot be one."""
    try:
        return str(uuid.UUID(text)) if len(text) == 36 else None
    except ValueError:
        return None


def seed_of(job_id: str) -> int:
    """The seed of a job that named none: drawn from the id's random bits, so that a second attempt
    after a crash makes the same picture as the first would have."""
    return uuid.UUID(job_id).int & ((1 << _SEED_BITS) - 1)
