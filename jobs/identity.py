"""Identifiers: a job's id and the seed that follows from it."""

import uuid

import uuid_utils

_SEED_BITS = 32


def new_job_id() -> str:
    """A UUIDv7: sorts by creation time, so "newest first" needs no second index."""
    return str(uuid_utils.uuid7())


def parse_job_id(text: str) -> str | None:
    """The canonical form of a job id, or None when the text cannot be one."""
    try:
        return str(uuid.UUID(text)) if len(text) == 36 else None
    except ValueError:
        return None


def seed_of(job_id: str) -> int:
    """The seed of a job that named none: drawn from the id's random bits, so that a second attempt
    after a crash makes the same picture as the first would have."""
    return uuid.UUID(job_id).int & ((1 << _SEED_BITS) - 1)
