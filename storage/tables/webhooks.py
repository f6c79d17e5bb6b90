"""The outbox of webhooks, and what they are signed with."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Integer, String, Text, text
from sqlmodel import Field, SQLModel

from storage.engine import UtcDateTime
from storage.tables.parts import ID, partial, table_of


class DeliveryRow(SQLModel, table=True):
    """A webhook's event on its way. `jobs.deliveries.Delivery` says what each column means and how it moves.
    It outlives its job's row: a job that is forgotten for its age is still announced."""

    __tablename__ = "deliveries"
    __table_args__ = (
        partial("ix_deliveries_due", "next_try_at", where="status = 'pending'"),
        partial("ix_deliveries_finished", "finished_at", where="finished_at IS NOT NULL"),
        Index("ix_deliveries_tenant_status_id", "tenant", "status", "id"),
        Index("ix_deliveries_tenant_id", "tenant", "id"),
    )

    id: str = Field(sa_column=Column(ID, primary_key=True))
    tenant: str = Field(sa_column=Column(String(64), nullable=False))
    job_id: str = Field(sa_column=Column(ID, nullable=False, index=True))
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

    id: str = Field(sa_column=Column(ID, primary_key=True))
    tenant: str = Field(sa_column=Column(String(64), nullable=False))
    secret: str = Field(sa_column=Column(String(128), nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    valid_until: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))


DELIVERIES = table_of(DeliveryRow)
WEBHOOK_SECRETS = table_of(SecretRow)
