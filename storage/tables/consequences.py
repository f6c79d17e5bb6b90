"""What one committed change obliges to in other rows, and what jobs wait for."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, Text
from sqlmodel import Field, SQLModel

from storage.tables.parts import ID, partial, table_of


class NeedRow(SQLModel, table=True):
    """A waiting job, and one thing that it waits for: another job, or an upload. Gone once that is there."""

    __tablename__ = "needs"

    need_id: str = Field(sa_column=Column(ID, primary_key=True))
    job_id: str = Field(sa_column=Column(ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, index=True))


class ConsequenceRow(SQLModel, table=True):
    """Something happened to `subject`, a job or an upload, that others must hear of. Gone once they did; `fault` says
    why it could not be done, and keeps it from being tried again. It outlives its subject."""

    __tablename__ = "consequences"
    __table_args__ = (
        partial("ix_consequences_open", "id", where="fault IS NULL"),
        {"sqlite_autoincrement": True},
    )

    # SQLite counts by itself only in a column of exactly this type.
    id: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    )
    subject: str = Field(sa_column=Column(ID, nullable=False))
    status: str = Field(sa_column=Column(String(16), nullable=False))
    event: str | None = Field(sa_column=Column(String(16), nullable=True))
    fault: str | None = Field(sa_column=Column(Text, nullable=True))


NEEDS = table_of(NeedRow)
CONSEQUENCES = table_of(ConsequenceRow)
