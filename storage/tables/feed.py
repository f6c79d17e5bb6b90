"""The change feed."""

from sqlalchemy import BigInteger, Column, Float, Integer, String
from sqlmodel import Field, SQLModel

from storage.tables.parts import ID, table_of


class ChangeRow(SQLModel, table=True):
    """The feed: one row for each committed change, in the order of its position. Push is state, not
    history: a row says which job to look at, and what statistics want to know of the change; old rows are
    trimmed. `storage.changes.feed.Entry` says what each column means."""

    __tablename__ = "changes"
    __table_args__ = ({"sqlite_autoincrement": True},)

    # SQLite counts positions by itself only in a column of exactly this type.
    position: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    )
    job_id: str = Field(sa_column=Column(ID, nullable=False))
    verb: str = Field(sa_column=Column(String(32), nullable=False, server_default=""))
    model: str = Field(sa_column=Column(String(128), nullable=False, server_default=""))
    version: str = Field(sa_column=Column(String(64), nullable=False, server_default=""))
    seconds: float | None = Field(sa_column=Column(Float, nullable=True))


CHANGES = table_of(ChangeRow)
