"""Safelight's client: submit jobs, follow them to their end, fetch what they made. Sync and async."""

from safelight_client.async_client import AsyncSafelight
from safelight_client.client import Safelight
from safelight_client.errors import (
    Conflict,
    CorruptDownload,
    FieldFault,
    Forbidden,
    InvalidInput,
    JobFailed,
    NotFound,
    Problem,
    SafelightError,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
    WaitTimeout,
)
from safelight_client.values import Group, Job, JobError, Member, Model, Output, Timings
from safelight_client.version import VERSION as __version__

__all__ = [
    "AsyncSafelight",
    "Conflict",
    "CorruptDownload",
    "FieldFault",
    "Forbidden",
    "Group",
    "InvalidInput",
    "Job",
    "JobError",
    "JobFailed",
    "Member",
    "Model",
    "NotFound",
    "Output",
    "Problem",
    "Safelight",
    "SafelightError",
    "Timings",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "Unreachable",
    "WaitTimeout",
    "__version__",
]
