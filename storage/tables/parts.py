"""What the tables are made of: how constraints are named, ids, indexes over the few rows that are alive."""

from typing import cast

from sqlalchemy import Index, String, Table, text
from sqlmodel import SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

METADATA = SQLModel.metadata
ID = String(36)


def partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index over the few rows that are still alive: its cost does not grow with finished jobs."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


def table_of(model: type[SQLModel]) -> Table:
    return cast(Table, model.__table__)  # type: ignore[attr-defined]
