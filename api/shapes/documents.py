"""The shapes of our answers, for /openapi.json. Handlers answer plain documents; a test holds them to it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OutputDocument(_Document):
    url: str
    media_type: str
    bytes: int
    sha256: str
    width: int | None
    height: int | None
    duration_s: float | None
    seed: int | None


class ErrorDocument(_Document):
    code: str
    message: str
    retryable: bool


class TimingsDocument(_Document):
    queued_s: float
    load_s: float | None
    run_s: float | None
    total_s: float


class UrlsDocument(_Document):
    self: str
    events: str
    cancel: str
    retry: str


class JobDocument(_Document):
    """A job, the same on every channel. A later `seq` is a later truth."""

    id: str
    status: Literal["waiting", "queued", "running", "succeeded", "failed", "canceled", "expired"]
    model: str
    model_version: str
    priority: Literal["interactive", "batch"]
    input: dict[str, Any]
    metadata: dict[str, Any]
    depends_on: list[str]
    group: str | None
    made_by: str | None  # what submitted it in a client's stead: "rule:ID", "schedule:ID"
    alias: str | None
    shadow_of: str | None
    replay_of: str | None
    progress: float
    step: int
    steps: int
    preview_url: str | None
    queue_position: int | None
    eta_s: float | None
    attempt: int
    max_attempts: int
    cancel_requested: bool
    outputs: list[OutputDocument]
    error: ErrorDocument | None
    context: dict[str, Any] | None  # what its outputs were made with
    created_at: str
    started_at: str | None
    finished_at: str | None
    timings: TimingsDocument
    cost: float | None
    cached: bool
    seq: int
    urls: UrlsDocument


class JobListDocument(_Document):
    jobs: list[JobDocument]
    next_cursor: str | None


class TicketDocument(_Document):
    ticket: str
    expires_at: str


class MendedDocument(_Document):
    """`count` jobs were mended, or would be. `more` wait behind `next_cursor`."""

    count: int
    dry_run: bool
    more: bool
    next_cursor: str | None


class AttemptDocument(_Document):
    """One claim of the job. `outcome` is the verb that ended it, null while it runs."""

    number: int
    worker: str
    started_at: str
    finished_at: str | None
    outcome: str | None
    error: ErrorDocument | None
    details: str


class AttemptListDocument(_Document):
    attempts: list[AttemptDocument]


class ModelDocument(_Document):
    name: str
    default: bool
    description: str
    license: str
    media_kind: Literal["image", "video", "audio", "none"]
    versions: list[str]
    aliases: list[str]
    input_schema: dict[str, Any]
    limits: dict[str, Any]
    warm: bool
    circuit: Literal["closed", "open", "half_open"]
    fault: str | None  # why the circuit is not closed
    queue: str


class ModelListDocument(_Document):
    models: list[ModelDocument]
    broken: list[dict[str, str]]


class QueueDocument(_Document):
    """`oldest_queued_s`: how long the job that waits longest could have been claimed; null when none could."""

    name: str
    queued: int
    running: int
    oldest_queued_s: float | None


class PercentilesDocument(_Document):
    """Null when there was nothing to measure."""

    p50: float | None
    p95: float | None


class FinishedDocument(_Document):
    succeeded: int
    failed: int
    canceled: int
    expired: int


class StatsDocument(_Document):
    """The queues now; the rest is of the last `window_s` seconds."""

    queues: list[QueueDocument]
    workers: int
    jobs_per_minute: float
    wait_s: PercentilesDocument
    run_s: PercentilesDocument
    finished: FinishedDocument
    window_s: int
    flower_url: str | None


class DeliveryUrlsDocument(_Document):
    self: str
    redeliver: str
    job: str


class DeliveryDocument(_Document):
    """One event of a job on its way to the job's webhook. `last_*` tell of the last try."""

    id: str
    job_id: str
    event: Literal["submitted", "started", "completed"]  # the first only from a rule
    url: str
    status: Literal["pending", "delivered", "dead"]
    tries: int
    next_try_at: str | None
    last_tried_at: str | None
    last_status: int | None
    last_error: str | None
    created_at: str
    finished_at: str | None
    urls: DeliveryUrlsDocument


class DeliveryPageDocument(DeliveryDocument):
    body: str  # as it is signed and sent


class DeliveryListDocument(_Document):
    deliveries: list[DeliveryDocument]
    next_cursor: str | None


class RedeliveredDocument(_Document):
    deliveries: int
    dry_run: bool


class VersionDocument(_Document):
    """One version of a model. What it did is of the last `window_s` seconds, as this process saw it."""

    model: str
    version: str
    warm: bool
    circuit: Literal["closed", "open", "half_open"]
    fault: str | None
    finished: FinishedDocument
    failure_rate: float | None
    wait_s: PercentilesDocument
    run_s: PercentilesDocument


class VersionListDocument(_Document):
    name: str
    versions: list[VersionDocument]
    window_s: int


class TargetDocument(_Document):
    model: str
    weight: int


class ShadowDocument(_Document):
    model: str
    percent: float


class RevisionDocument(_Document):
    """What an alias stands for, since then. `restores`: the revision that a roll back took this from."""

    name: str
    revision: int
    restores: int | None
    targets: list[TargetDocument]
    shadows: list[ShadowDocument]
    created_at: str


class ComparisonDocument(_Document):
    """How a shadow did beside the jobs that it did again. The times are means, in seconds."""

    model: str
    compared: int
    failed: int
    equal: int
    run_s: float | None
    shadow_run_s: float | None


class AliasDocument(RevisionDocument):
    revisions: list[RevisionDocument]
    comparisons: list[ComparisonDocument]


class AliasListDocument(_Document):
    aliases: list[RevisionDocument]


class SecretDocument(_Document):
    key: str


class FieldFaultDocument(_Document):
    field: str
    pointer: str
    detail: str


class ProblemDocument(BaseModel):
    """RFC 9457. `errors` names each wrong field."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldFaultDocument] = []
