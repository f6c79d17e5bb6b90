"""Jobs, their attempts, their idempotency keys, and which artifacts they list."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    false,
)
from sqlmodel import Field, SQLModel

from storage.engine import UtcDateTime
from storage.tables.parts import ID, partial, table_of


class JobRow(SQLModel, table=True):
    """A job. `jobs.values.Job` says what each column means and how it moves."""

    __tablename__ = "jobs"
    __table_args__ = (
        partial("ix_jobs_claim", "queue", "priority", "id", where="status = 'queued'"),
        partial("ix_jobs_batch", "batch_key", "priority", "id", where="status = 'queued'"),
        partial("ix_jobs_waiting", "id", where="status = 'waiting'"),
        partial("ix_jobs_deadline", "deadline", where="status IN ('queued', 'waiting') AND deadline IS NOT NULL"),
        partial("ix_jobs_lease", "lease_until", where="status = 'running'"),
        partial("ix_jobs_finished", "finished_at", where="finished_at IS NOT NULL"),
        Index("ix_jobs_tenant_status_id", "tenant", "status", "id"),
        Index("ix_jobs_tenant_model_status_id", "tenant", "model", "status", "id"),
        Index("ix_jobs_tenant_id", "tenant", "id"),
    )

    id: str = Field(sa_column=Column(ID, primary_key=True))
    tenant: str = Field(sa_column=Column(String(64), nullable=False))
    queue: str = Field(sa_column=Column(String(64), nullable=False))
    model: str = Field(sa_column=Column(String(128), nullable=False))
    model_version: str = Field(sa_column=Column(String(64), nullable=False))
    priority: int = Field(sa_column=Column(SmallInteger, nullable=False))
    status: str = Field(sa_column=Column(String(16), nullable=False))
    input: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    details: dict[str, Any] = Field(sa_column=Column("metadata", JSON, nullable=False))
    batch_key: str | None = Field(sa_column=Column(String(64), nullable=True))
    units: int = Field(sa_column=Column(Integer, nullable=False))
    steps: int = Field(sa_column=Column(Integer, nullable=False))
    work: float = Field(sa_column=Column(Float, nullable=False, server_default="0"))
    webhook: dict[str, Any] | None = Field(sa_column=Column(JSON(none_as_null=True), nullable=True))
    lineage: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False, server_default="{}"))
    needs: list[str] = Field(sa_column=Column(JSON, nullable=False, server_default="[]"))
    cache_key: str | None = Field(sa_column=Column(String(64), nullable=True))
    consequential: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=false()))
    cached: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=false()))
    context: dict[str, Any] | None = Field(sa_column=Column(JSON(none_as_null=True), nullable=True))
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    attempt: int = Field(sa_column=Column(Integer, nullable=False))
    max_attempts: int = Field(sa_column=Column(Integer, nullable=False))
    strikes: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    fence: int = Field(sa_column=Column(BigInteger, nullable=False))
    worker: str | None = Field(sa_column=Column(String(255), nullable=True))
    lease_until: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    run_after: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    deadline: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    cancel_requested: bool = Field(nullable=False)
    outputs: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    error: dict[str, Any] | None = Field(sa_column=Column(JSON(none_as_null=True), nullable=True))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    started_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    finished_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    load_s: float | None = None
    run_s: float | None = None


class IdempotencyRow(SQLModel, table=True):
    """Which job a tenant's Idempotency-Key made, and of which body."""

    __tablename__ = "idempotency_keys"

    tenant: str = Field(sa_column=Column(String(64), primary_key=True))
    key: str = Field(sa_column=Column(String(255), primary_key=True))
    body_hash: str = Field(sa_column=Column(String(64), nullable=False))
    job_id: str = Field(sa_column=Column(ID, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))


class AttemptRow(SQLModel, table=True):
    """One claim of a job and what became of it: the error history of `jobs.values.Attempt`."""

    __tablename__ = "attempts"

    job_id: str = Field(sa_column=Column(ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True))
    fence: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    number: int = Field(sa_column=Column(Integer, nullable=False))
    worker: str = Field(sa_column=Column(String(255), nullable=False))
    started_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    finished_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    outcome: str | None = Field(sa_column=Column(String(32), nullable=True))
    error: dict[str, Any] | None = Field(sa_column=Column(JSON(none_as_null=True), nullable=True))
    details: str = Field(sa_column=Column(Text, nullable=False))


class ArtifactRow(SQLModel, table=True):
    """Which job lists which artifact. Bytes that no row lists are served to nobody, and swept."""

    __tablename__ = "artifacts"

    key: str = Field(sa_column=Column(String(80), primary_key=True))
    job_id: str = Field(sa_column=Column(ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, index=True))


JOBS = table_of(JobRow)
IDEMPOTENCY = table_of(IdempotencyRow)
ATTEMPTS = table_of(AttemptRow)
ARTIFACTS = table_of(ArtifactRow)
