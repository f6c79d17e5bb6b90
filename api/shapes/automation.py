"""The shapes of our answers about what makes jobs by itself, as in api.shapes.documents."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SelfUrlDocument(_Document):
    self: str


class ScheduleDocument(_Document):
    """A schedule. `last_error` says why the latest tick made no job; null after one that did."""

    id: str
    name: str
    cron: str
    timezone: str
    catch_up: Literal["none", "last", "all"]
    enabled: bool
    job: dict[str, Any] | None
    group: dict[str, Any] | None  # instead of a job
    next_at: str | None
    last_at: str | None
    last_job_id: str | None
    last_group_id: str | None
    last_error: str | None
    created_at: str
    urls: SelfUrlDocument


class ScheduleListDocument(_Document):
    schedules: list[ScheduleDocument]


class TicksDocument(_Document):
    ticks: list[str]


class TriggerUrlsDocument(_Document):
    self: str
    fire: str | None
    rotate: str | None


class TriggerDocument(_Document):
    """A trigger. `last_*` tell of the latest file; they stay null for webhooks."""

    id: str
    name: str
    kind: Literal["webhook", "folder"]
    enabled: bool
    job: dict[str, Any] | None
    group: dict[str, Any] | None  # instead of a job
    path: str | None
    pattern: str | None
    last_at: str | None
    last_job_id: str | None
    last_group_id: str | None
    last_error: str | None
    created_at: str
    urls: TriggerUrlsDocument


class NewTriggerDocument(TriggerDocument):
    """With the secret that events are signed with, which is told this once."""

    secret: str | None


class TriggerListDocument(_Document):
    triggers: list[TriggerDocument]


class TriedTriggerDocument(_Document):
    """The job, or the group, that would be submitted."""

    job: dict[str, Any] | None = None
    group: dict[str, Any] | None = None


class RuleDocument(_Document):
    """A rule. `last_error` says why the latest target could not be served."""

    id: str
    name: str
    on: Literal["submitted", "started", "completed"]
    pattern: dict[str, Any]
    targets: list[dict[str, Any]]
    enabled: bool
    last_error: str | None
    created_at: str
    urls: SelfUrlDocument


class RuleListDocument(_Document):
    rules: list[RuleDocument]


class NamedRuleDocument(_Document):
    id: str
    name: str


class MatchDocument(_Document):
    """A rule, and what it would do: `{"job"}`, `{"webhook"}`, `{"route"}`, or `{"error"}` where it could not."""

    rule: NamedRuleDocument
    targets: list[dict[str, Any]]


class TriedRulesDocument(_Document):
    event: dict[str, Any]
    matches: list[MatchDocument]
