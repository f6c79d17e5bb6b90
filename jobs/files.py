"""A file: bytes that a client brought, or that a batch made, under an id. Unlike an artifact it has a name, may be
deleted by whoever brought it, and belongs to no job."""

from dataclasses import dataclass
from datetime import datetime

FILE_BYTES_MOST = 200_000_000
BATCH_INPUT = "batch"
BATCH_OUTPUT = "batch_output"


@dataclass(frozen=True, slots=True)
class File:
    """A file as its row stands; nothing of it ever changes."""

    id: str  # file-…, of a UUIDv7: ids sort by creation
    tenant: str
    purpose: str  # what it was brought for
    filename: str  # as its client calls it; names nothing on our disk
    bytes: int
    created_at: datetime
    expires_at: datetime | None  # forgotten then, unless a batch still reads it
