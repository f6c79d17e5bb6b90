"""The tables. Alembic's migrations must agree with them: `safelight db check` compares."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)
from sqlmodel import Field, SQLModel

from storage.engine import UtcDateTime

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

_ID = String(36)


def _partial(name: str, *columns: str, where: str) -> Index:
    """An index over the few rows that are still alive: its cost does not grow with finished jobs."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class JobRow(SQLModel, table=True):
    """A job. `jobs.values.Job` says what each column means and how it moves."""

    __tablename__ = "jobs"
    __table_args__ = (
        _partial("ix_jobs_claim", "queue", "priority", "id", where="status = 'queued'"),
        _partial("ix_jobs_batch", "batch_key", "priority", "id", where="status = 'queued'"),
        _partial("ix_jobs_deadline", "deadline", where="status = 'queued' AND deadline IS NOT NULL"),
        _partial("ix_jobs_lease", "lease_until", where="status = 'running'"),
        _partial("ix_jobs_finished", "finished_at", where="finished_at IS NOT NULL"),
        Index("ix_jobs_tenant_status_id", "tenant", "status", "id"),
        Index("ix_jobs_tenant_model_status_id", "tenant", "model", "status", "id"),
        Index("ix_jobs_tenant_id", "tenant", "id"),
    )

    id: str = Field(sa_column=Column(_ID, primary_key=True))
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
    job_id: str = Field(sa_column=Column(_ID, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))


class AttemptRow(SQLModel, table=True):
    """One claim of a job and what became of it: the error history of `jobs.values.Attempt`."""

    __tablename__ = "attempts"

    job_id: str = Field(sa_column=Column(_ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True))
    fence: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    number: int = Field(sa_column=Column(Integer, nullable=False))
    worker: str = Field(sa_column=Column(String(255), nullable=False))
    started_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    finished_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    outcome: str | None = Field(sa_column=Column(String(32), nullable=True))
    error: dict[str, Any] | None = Field(sa_column=Column(JSON(none_as_null=True), nullable=True))
    details: str = Field(sa_column=Column(Text, nullable=False))


class CircuitRow(SQLModel, table=True):
    """A model that could not be loaded lately: how often within the window, and until when it is left alone."""

    __tablename__ = "circuits"

    model: str = Field(sa_column=Column(String(193), primary_key=True))
    failures: int = Field(sa_column=Column(Integer, nullable=False))
    since: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    open_until: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    probing: bool = Field(nullable=False)
    reason: str = Field(sa_column=Column(Text, nullable=False))


class LeaderRow(SQLModel, table=True):
    """Who leads a duty that only one may do at a time, until when."""

    __tablename__ = "leaders"

    duty: str = Field(sa_column=Column(String(32), primary_key=True))
    holder: str = Field(sa_column=Column(String(255), nullable=False))
    until: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class ArtifactRow(SQLModel, table=True):
    """Which job lists which artifact. Bytes that no row lists are served to nobody, and swept."""

    __tablename__ = "artifacts"

    key: str = Field(sa_column=Column(String(80), primary_key=True))
    job_id: str = Field(
        sa_column=Column(_ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, index=True)
    )


class DeliveryRow(SQLModel, table=True):
    """A webhook's event on its way. `jobs.deliveries.Delivery` says what each column means and how it moves.
    It outlives its job's row: a job that is forgotten for its age is still announced."""

    __tablename__ = "deliveries"
    __table_args__ = (
        _partial("ix_deliveries_due", "next_try_at", where="status = 'pending'"),
        _partial("ix_deliveries_finished", "finished_at", where="finished_at IS NOT NULL"),
        Index("ix_deliveries_tenant_status_id", "tenant", "status", "id"),
        Index("ix_deliveries_tenant_id", "tenant", "id"),
    )

    id: str = Field(sa_column=Column(_ID, primary_key=True))
    tenant: str = Field(sa_column=Column(String(64), nullable=False))
    job_id: str = Field(sa_column=Column(_ID, nullable=False, index=True))
    event: str = Field(sa_column=Column(String(16), nullable=False))
    url: str = Field(sa_column=Column(Text, nullable=False))
    host: str = Field(sa_column=Column(String(255), nullable=False))
    body: str = Field(sa_column=Column(Text, nullable=False))
    status: str = Field(sa_column=Column(String(16), nullable=False))
    tries: int = Field(sa_column=Column(Integer, nullable=False))
    fence: int = Field(sa_column=Column(BigInteger, nullable=False))
    lease_until: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    next_try_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    last_tried_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    last_status: int | None = Field(sa_column=Column(Integer, nullable=True))
    last_error: str | None = Field(sa_column=Column(Text, nullable=True))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    finished_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))


class SecretRow(SQLModel, table=True):
    """A secret that webhooks are signed with. The newest of a tenant has no end; one before it may still be
    valid for a while."""

    __tablename__ = "webhook_secrets"
    __table_args__ = (
        Index(
            "uq_webhook_secrets_newest",
            "tenant",
            unique=True,
            sqlite_where=text("valid_until IS NULL"),
            postgresql_where=text("valid_until IS NULL"),
        ),
    )

    id: str = Field(sa_column=Column(_ID, primary_key=True))
    tenant: str = Field(sa_column=Column(String(64), nullable=False))
    secret: str = Field(sa_column=Column(String(128), nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    valid_until: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))


class ChangeRow(SQLModel, table=True):
    """The feed: one row for each committed change, in the order of its position. Push is state, not
    history: a row says which job to look at, and what statistics want to know of the change; old rows are
    trimmed. `storage.feed.Entry` says what each column means."""

    __tablename__ = "changes"
    __table_args__ = ({"sqlite_autoincrement": True},)

    # SQLite counts positions by itself only in a column of exactly this type.
    position: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    )
    job_id: str = Field(sa_column=Column(_ID, nullable=False))
    verb: str = Field(sa_column=Column(String(32), nullable=False, server_default=""))
    model: str = Field(sa_column=Column(String(128), nullable=False, server_default=""))
    seconds: float | None = Field(sa_column=Column(Float, nullable=True))


def _table(model: type[SQLModel]) -> Table:
    return cast(Table, model.__table__)  # type: ignore[attr-defined]


JOBS = _table(JobRow)
IDEMPOTENCY = _table(IdempotencyRow)
ARTIFACTS = _table(ArtifactRow)
ATTEMPTS = _table(AttemptRow)
CIRCUITS = _table(CircuitRow)
LEADERS = _table(LeaderRow)
CHANGES = _table(ChangeRow)
DELIVERIES = _table(DeliveryRow)
WEBHOOK_SECRETS = _table(SecretRow)
METADATA = SQLModel.metadata
