"""Aliases, and how their shadows do."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Float, Integer, String, true
from sqlmodel import Field, SQLModel

from storage.engine import UtcDateTime
from storage.tables.parts import partial, table_of


class AliasRow(SQLModel, table=True):
    """One revision of an alias: `jobs.aliases.Alias`. One of each name is in force."""

    __tablename__ = "aliases"
    __table_args__ = (partial("uq_aliases_in_force", "tenant", "name", where="in_force", unique=True),)

    tenant: str = Field(sa_column=Column(String(64), primary_key=True))
    name: str = Field(sa_column=Column(String(64), primary_key=True))
    revision: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    targets: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    shadows: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    restores: int | None = Field(sa_column=Column(Integer, nullable=True))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    in_force: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=true()))


class ComparisonRow(SQLModel, table=True):
    """What came of an alias's shadow jobs beside the jobs that they did again, as sums."""

    __tablename__ = "comparisons"

    tenant: str = Field(sa_column=Column(String(64), primary_key=True))
    alias: str = Field(sa_column=Column(String(64), primary_key=True))
    model: str = Field(sa_column=Column(String(193), primary_key=True))
    compared: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    failed: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    equal: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    shadow_run_s: float = Field(sa_column=Column(Float, nullable=False, server_default="0"))
    run_s: float = Field(sa_column=Column(Float, nullable=False, server_default="0"))


ALIASES = table_of(AliasRow)
COMPARISONS = table_of(ComparisonRow)
