"""The shapes of groups, for /openapi.json and /asyncapi.json."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from api.shapes.documents import ErrorDocument, OutputDocument, UrlsDocument


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MemberDocument(_Document):
    """`id` is its job's. `joined`: its outputs are among the group's."""

    name: str
    id: str
    status: Literal["waiting", "queued", "running", "succeeded", "failed", "canceled", "expired", "deleted"]
    progress: float
    joined: bool


class CountsDocument(_Document):
    waiting: int
    queued: int
    running: int
    succeeded: int
    failed: int
    canceled: int
    expired: int
    deleted: int


class GroupDocument(_Document):
    """A group, the same on every channel. A later `seq` is a later truth. `outputs` are there as soon as the join is
    decided; it has ended when its last member is over."""

    id: str
    status: Literal["waiting", "running", "succeeded", "partial", "failed", "canceled"]
    join: Any  # as it was asked for
    on_member_failure: Literal["fail_fast", "continue"]
    members: list[MemberDocument]
    counts: CountsDocument
    outputs: list[OutputDocument]
    progress: float
    cancel_requested: bool
    error: ErrorDocument | None
    deadline: str | None
    metadata: dict[str, Any]
    created_at: str
    finished_at: str | None
    seq: int
    urls: UrlsDocument


class GroupListDocument(_Document):
    groups: list[GroupDocument]
    next_cursor: str | None
