"""The result cache, and who waits for whose result."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String
from sqlmodel import Field, SQLModel

from storage.engine import UtcDateTime
from storage.tables.parts import ID, table_of


class ResultRow(SQLModel, table=True):
    """Which job has made, or is to make, the result of some work. It goes with its job. `bytes` is 0 until the
    result is there."""

    __tablename__ = "results"
    __table_args__ = (Index("ix_results_last_used_at", "last_used_at", "bytes"),)

    tenant: str = Field(sa_column=Column(String(64), primary_key=True))
    cache_key: str = Field(sa_column=Column(String(64), primary_key=True))
    job_id: str = Field(
        sa_column=Column(ID, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, unique=True, index=True)
    )
    bytes: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
    last_used_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class TwinRow(SQLModel, table=True):
    """A waiting job, and the job under way whose result it shall have. Gone once that has ended."""

    __tablename__ = "twins"

    job_id: str = Field(sa_column=Column(ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True))
    maker_id: str = Field(sa_column=Column(ID, nullable=False, index=True))


RESULTS = table_of(ResultRow)
TWINS = table_of(TwinRow)
