"""What makes jobs without a client's request: schedules, triggers and what they have seen, rules."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, String, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from storage.engine import UtcDateTime
from storage.tables.parts import ID, partial, table_of


class ScheduleRow(SQLModel, table=True):
    """A schedule. `jobs.schedules.Schedule` says what each column means and how it moves."""

    __tablename__ = "schedules"
    __table_args__ = (
        UniqueConstraint("tenant", "name"),
        partial("ix_schedules_due", "next_at", where="next_at IS NOT NULL"),
    )

    id: str = Field(sa_column=Column(ID, primary_key=True))
    tenant: str = Field(sa_column=Column(String(64), nullable=False))
    name: str = Field(sa_column=Column(String(128), nullable=False))
    cron: str = Field(sa_column=Column(String(100), nullable=False))
    timezone: str = Field(sa_column=Column(String(64), nullable=False))
    catch_up: str = Field(sa_column=Column(String(8), nullable=False))
    enabled: bool = Field(sa_column=Column(Boolean, nullable=False))
    template: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    next_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    last_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    last_made_id: str | None = Field(sa_column=Column(ID, nullable=True))
    last_error: str | None = Field(sa_column=Column(Text, nullable=True))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class TriggerRow(SQLModel, table=True):
    """A trigger. `jobs.triggers.Trigger` says what each column means and how it moves."""

    __tablename__ = "triggers"
    __table_args__ = (UniqueConstraint("tenant", "name"),)

    id: str = Field(sa_column=Column(ID, primary_key=True))
    tenant: str = Field(sa_column=Column(String(64), nullable=False))
    name: str = Field(sa_column=Column(String(128), nullable=False))
    kind: str = Field(sa_column=Column(String(16), nullable=False))
    enabled: bool = Field(sa_column=Column(Boolean, nullable=False))
    template: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    secret: str | None = Field(sa_column=Column(String(128), nullable=True))
    folder: str | None = Field(sa_column=Column(Text, nullable=True))
    pattern: str | None = Field(sa_column=Column(String(255), nullable=True))
    last_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    last_made_id: str | None = Field(sa_column=Column(ID, nullable=True))
    last_error: str | None = Field(sa_column=Column(Text, nullable=True))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class SeenFileRow(SQLModel, table=True):
    """A file that has fired its trigger, and as which it did: one that is replaced fires again."""

    __tablename__ = "seen_files"

    trigger_id: str = Field(sa_column=Column(ID, ForeignKey("triggers.id", ondelete="CASCADE"), primary_key=True))
    name: str = Field(sa_column=Column(String(255), primary_key=True))
    bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    modified_ns: int = Field(sa_column=Column(BigInteger, nullable=False))


class RuleRow(SQLModel, table=True):
    """A rule. `jobs.rules.Rule` says what each column means and how it moves."""

    __tablename__ = "rules"
    __table_args__ = (UniqueConstraint("tenant", "name"),)

    id: str = Field(sa_column=Column(ID, primary_key=True))
    tenant: str = Field(sa_column=Column(String(64), nullable=False))
    name: str = Field(sa_column=Column(String(128), nullable=False))
    event: str = Field(sa_column=Column(String(16), nullable=False))
    pattern: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    targets: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    enabled: bool = Field(sa_column=Column(Boolean, nullable=False))
    follows: bool = Field(sa_column=Column(Boolean, nullable=False))
    last_error: str | None = Field(sa_column=Column(Text, nullable=True))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


RULES = table_of(RuleRow)
SCHEDULES = table_of(ScheduleRow)
TRIGGERS = table_of(TriggerRow)
SEEN_FILES = table_of(SeenFileRow)
