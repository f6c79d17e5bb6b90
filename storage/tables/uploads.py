"""Media that clients bring, or have us fetch, and which jobs use it."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Text
from sqlmodel import Field, SQLModel

from storage.engine import UtcDateTime
from storage.tables.parts import ID, partial, table_of


class UploadRow(SQLModel, table=True):
    """An upload. `jobs.uploads.Upload` says what each column means and how it moves."""

    __tablename__ = "uploads"
    __table_args__ = (
        partial("ix_uploads_due", "next_try_at", where="status = 'pending'"),
        partial("ix_uploads_wanted", "tenant", "url", where="status = 'pending'"),
        partial("ix_uploads_expiry", "expires_at", where="expires_at IS NOT NULL"),
        Index("ix_uploads_tenant_id", "tenant", "id"),
    )

    id: str = Field(sa_column=Column(ID, primary_key=True))
    tenant: str = Field(sa_column=Column(String(64), nullable=False))
    status: str = Field(sa_column=Column(String(16), nullable=False))
    filename: str | None = Field(sa_column=Column(String(255), nullable=True))
    url: str | None = Field(sa_column=Column(Text, nullable=True))
    host: str = Field(sa_column=Column(String(255), nullable=False))
    key: str | None = Field(sa_column=Column(String(80), nullable=True, index=True))
    sha256: str | None = Field(sa_column=Column(String(64), nullable=True))
    bytes: int | None = Field(sa_column=Column(BigInteger, nullable=True))
    media_type: str | None = Field(sa_column=Column(String(64), nullable=True))
    width: int | None = Field(sa_column=Column(Integer, nullable=True))
    height: int | None = Field(sa_column=Column(Integer, nullable=True))
    error: str | None = Field(sa_column=Column(Text, nullable=True))
    tries: int = Field(sa_column=Column(Integer, nullable=False))
    fence: int = Field(sa_column=Column(BigInteger, nullable=False))
    lease_until: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    next_try_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expires_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))


class UploadUseRow(SQLModel, table=True):
    """A job that has an upload among its inputs."""

    __tablename__ = "upload_uses"

    upload_id: str = Field(sa_column=Column(ID, ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True))
    job_id: str = Field(sa_column=Column(ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, index=True))


UPLOADS = table_of(UploadRow)
UPLOAD_USES = table_of(UploadUseRow)
