"""What processes agree on among themselves: circuits of models, who leads."""

from datetime import datetime

from sqlalchemy import Column, Integer, String, Text
from sqlmodel import Field, SQLModel

from storage.engine import UtcDateTime
from storage.tables.parts import table_of


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


CIRCUITS = table_of(CircuitRow)
LEADERS = table_of(LeaderRow)
