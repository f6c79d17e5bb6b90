"""Groups and their members."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Text
from sqlmodel import Field, SQLModel

from storage.engine import UtcDateTime
from storage.tables.parts import ID, partial, table_of


class GroupRow(SQLModel, table=True):
    """A group. `jobs.groups.Group` says what each column means and how it moves."""

    __tablename__ = "groups"
    __table_args__ = (
        Index("ix_groups_tenant_id", "tenant", "id"),
        Index("ix_groups_tenant_status_id", "tenant", "status", "id"),
        partial("ix_groups_finished", "finished_at", where="finished_at IS NOT NULL"),
    )

    id: str = Field(sa_column=Column(ID, primary_key=True))
    tenant: str = Field(sa_column=Column(String(64), nullable=False))
    status: str = Field(sa_column=Column(String(16), nullable=False))
    join: Any = Field(sa_column=Column(JSON, nullable=False))
    on_failure: str = Field(sa_column=Column(String(16), nullable=False))
    deadline: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    details: dict[str, Any] = Field(sa_column=Column("metadata", JSON, nullable=False))
    webhook: str | None = Field(sa_column=Column(Text, nullable=True))
    cancel_requested: bool = Field(sa_column=Column(Boolean, nullable=False))
    chosen: list[int] = Field(sa_column=Column(JSON, nullable=False))
    error: dict[str, Any] | None = Field(sa_column=Column(JSON(none_as_null=True), nullable=True))
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    finished_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))


class MemberRow(SQLModel, table=True):
    """Which job is which member of a group, and how it stood when its last change was settled. It outlives its job:
    a member whose job is deleted is still one of the group."""

    __tablename__ = "members"

    group_id: str = Field(sa_column=Column(ID, ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True))
    position: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    name: str = Field(sa_column=Column(String(64), nullable=False))
    job_id: str = Field(sa_column=Column(ID, nullable=False, index=True))
    status: str = Field(sa_column=Column(String(16), nullable=False))
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    begun: bool = Field(sa_column=Column(Boolean, nullable=False))
    finished_at: datetime | None = Field(sa_column=Column(UtcDateTime, nullable=True))
    metric: float | None = Field(sa_column=Column(Float, nullable=True))
    outputs: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))


GROUPS = table_of(GroupRow)
MEMBERS = table_of(MemberRow)
