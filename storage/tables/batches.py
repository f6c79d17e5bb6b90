"""Files that clients brought or batches made, batches, and what became of each of their lines."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, Index, Integer, String, Text
from sqlmodel import Field, SQLModel

from storage.engine import UtcDateTime
from storage.tables.parts import ID, partial, table_of

_LONG_ID = String(48)  # a UUID behind a word: file-…, batch_…


class FileRow(SQLModel, table=True):
    """A file. `jobs.files.File` says what each column means; its bytes lie in a folder."""

    __tablename__ = "files"
    __table_args__ = (
        Index("ix_files_tenant_id", "tenant", "id"),
        Index("ix_files_tenant_purpose_id", "tenant", "purpose", "id"),
        partial("ix_files_expires", "expires_at", where="expires_at IS NOT NULL"),
    )

    id: str = Field(sa_column=Column(_LONG_ID, primary_key=True))
    tenant: str = Field(sa_column=Column(String(64), nullable=False))
    purpose: str = Field(sa_column=Column(String(32), nullable=False))
    filename: str = Field(sa_column=Column(String(255), nullable=False))
    bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expires_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))


class BatchRow(SQLModel, table=True):
    """A batch. `jobs.batches.Batch` says what each column means and how it moves."""

    __tablename__ = "batches"
    __table_args__ = (
        partial("ix_batches_due", "due_at", where="due_at IS NOT NULL"),
        partial("ix_batches_finished", "finished_at", where="finished_at IS NOT NULL"),
        partial("uq_batches_key", "tenant", "idempotency_key", where="idempotency_key IS NOT NULL", unique=True),
        partial("ix_batches_input", "input_file_id", where="due_at IS NOT NULL"),
        Index("ix_batches_tenant_id", "tenant", "id"),
        Index("ix_batches_tenant_body", "tenant", "body_hash"),
    )

    id: str = Field(sa_column=Column(_LONG_ID, primary_key=True))
    tenant: str = Field(sa_column=Column(String(64), nullable=False))
    endpoint: str = Field(sa_column=Column(String(64), nullable=False))
    input_file_id: str = Field(sa_column=Column(_LONG_ID, nullable=False))
    completion_window: str = Field(sa_column=Column(String(16), nullable=False))
    details: dict[str, Any] = Field(sa_column=Column("metadata", JSON, nullable=False))
    keep_s: int | None = Field(sa_column=Column(Integer, nullable=True))
    origin: str = Field(sa_column=Column(Text, nullable=False))
    idempotency_key: str | None = Field(sa_column=Column(String(255), nullable=True))
    body_hash: str = Field(sa_column=Column(String(64), nullable=False))
    status: str = Field(sa_column=Column(String(16), nullable=False))
    ending: str | None = Field(sa_column=Column(String(16), nullable=True))
    errors: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    total: int = Field(sa_column=Column(Integer, nullable=False))
    completed: int = Field(sa_column=Column(Integer, nullable=False))
    failed: int = Field(sa_column=Column(Integer, nullable=False))
    outstanding: int = Field(sa_column=Column(Integer, nullable=False))
    line: int = Field(sa_column=Column(Integer, nullable=False))
    position: int = Field(sa_column=Column(BigInteger, nullable=False))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    output_file_id: str | None = Field(sa_column=Column(_LONG_ID, nullable=True))
    error_file_id: str | None = Field(sa_column=Column(_LONG_ID, nullable=True))
    fence: int = Field(sa_column=Column(BigInteger, nullable=False))
    lease_until: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    due_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    pause_s: float = Field(sa_column=Column(Float, nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    in_progress_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    finalizing_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    cancelling_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    finished_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))


class BatchLineRow(SQLModel, table=True):
    """A line of a batch's input that was taken in: its job, or what is wrong with it; and how it ended."""

    __tablename__ = "batch_lines"
    __table_args__ = (partial("ix_batch_lines_open", "batch_id", "line", where="state = 'open'"),)

    batch_id: str = Field(sa_column=Column(_LONG_ID, ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True))
    line: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    custom_id: str | None = Field(sa_column=Column(String(255), nullable=True))
    job_id: str | None = Field(sa_column=Column(ID, nullable=True))
    state: str = Field(sa_column=Column(String(16), nullable=False))
    error: dict[str, Any] | None = Field(sa_column=Column(JSON(none_as_null=True), nullable=True))


FILES = table_of(FileRow)
BATCHES = table_of(BatchRow)
BATCH_LINES = table_of(BatchLineRow)
