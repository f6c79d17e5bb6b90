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
