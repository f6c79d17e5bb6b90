"""Triggers: jobs by an event. Either somebody posts a signed event, or a file appears in a watched folder. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from jobs.document import Document, timestamp


class Kind(StrEnum):
    """What a trigger is fired by."""

    WEBHOOK = "webhook"
    FOLDER = "folder"


ROOTS: Mapping[Kind, tuple[str, ...]] = {Kind.WEBHOOK: ("body", "trigger"), Kind.FOLDER: ("file", "trigger")}


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger as its row stands. The comments say how each field moves over time."""

    id: str  # never changes
    tenant: str  # never changes
    name: str  # unique among the tenant's
    kind: Kind  # never changes
    enabled: bool
    template: Mapping[str, Any]  # {"job": body of POST /v1/jobs}, or {"group": body of POST /v1/groups}
    secret: str | None  # whsec_…, what its events are signed with; None for a folder
    folder: str | None  # an absolute path; None for webhooks
    pattern: str | None  # which names in the folder: *.png
    last_at: datetime | None  # the latest file that fired it; webhooks are not noted here
    last_made_id: str | None  # and the job, or the group, that it made
    last_error: str | None  # why the latest file made none, or why nobody can look; None after one that did
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Stamp:
    """By what a file is told from another one of its name."""

    bytes: int
    modified_ns: int


def wants(trigger: Trigger, name: str) -> bool:
    """Is a file of this name for the trigger? Hidden ones are for those that ask for them."""
    pattern = trigger.pattern or "*"
    return fnmatchcase(name, pattern) and (not name.startswith(".") or pattern.startswith("."))


def body_values(trigger: Trigger, body: Mapping[str, Any]) -> Document:
    """What a template may say of a posted event: `${body.…}`."""
    return {"body": body, "trigger": _values(trigger)}


def file_values(trigger: Trigger, name: str, stamp: Stamp) -> Document:
    """What a template may say of a file: `${file.name}`, `stem`, `path`, `bytes`, `modified_at`;
    and `upload`, where it is brought as one."""
    modified = datetime.fromtimestamp(stamp.modified_ns // 1_000 / 1e6, UTC)
    file = {
        "name": name,
        "stem": name.rpartition(".")[0] or name,
        "path": f"{trigger.folder}/{name}",
        "bytes": stamp.bytes,
        "modified_at": timestamp(modified),
    }
    return {"file": file, "trigger": _values(trigger)}


def body_key(trigger: Trigger, message_id: str) -> str:
    """The idempotency key of a posted event's job."""
    return f"trigger:{trigger.id}:{message_id}"


def file_key(trigger: Trigger, name: str, stamp: Stamp) -> str:
    """The idempotency key of a file's job."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:32]
    return f"trigger:{trigger.id}:{digest}:{stamp.bytes}:{stamp.modified_ns}"


def trigger_document(trigger: Trigger) -> Document:
    """Without the secret: that is told once, to whoever makes it."""
    path = f"/v1/triggers/{trigger.id}"
    posted = trigger.kind is Kind.WEBHOOK
    return {
        "id": trigger.id,
        "name": trigger.name,
        "kind": trigger.kind.value,
        "enabled": trigger.enabled,
        "job": trigger.template.get("job"),
        "group": trigger.template.get("group"),
        "path": trigger.folder,
        "pattern": trigger.pattern,
        "last_at": timestamp(trigger.last_at),
        "last_job_id": None if "group" in trigger.template else trigger.last_made_id,
        "last_group_id": trigger.last_made_id if "group" in trigger.template else None,
        "last_error": trigger.last_error,
        "created_at": timestamp(trigger.created_at),
        "urls": {
            "self": path,
            "fire": f"{path}/fire" if posted else None,
            "rotate": f"{path}/rotate" if posted else None,
        },
    }


def _values(trigger: Trigger) -> Document:
    return {"id": trigger.id, "name": trigger.name}
