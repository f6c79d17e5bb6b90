"""Inserting many rows, past what SQLAlchemy would do for each of them, which cost more than the rows themselves
[measured]. In how, the databases differ."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Connection, Dialect, Table

from storage.engine import UtcDateTime

Row = Mapping[str, Any]


def insert_rows(connection: Connection, *wanted: tuple[Table, Sequence[Row]]) -> None:
    """Insert into each table its rows, which have the same columns."""
    shapes = [(table, tuple(rows[0]), rows) for table, rows in wanted if rows]
    if not shapes:
        return
    if connection.dialect.name == "postgresql":
        statement = _from_json(*((table, names) for table, names, _ in shapes))
        texts = {f"rows_{n}": to_json(rows).decode() for n, (_, _, rows) in enumerate(shapes)}
        connection.exec_driver_sql(statement, texts)
        return
    for table, names, rows in shapes:
        writers = _writers(table, names, connection.dialect)
        cells = [tuple([write(row[name]) if write else row[name] for name, write in writers]) for row in rows]
        connection.exec_driver_sql(_from_values(table, names), cells)


@lru_cache
def _from_json(*shapes: tuple[Table, tuple[str, ...]]) -> str:
    """PostgreSQL takes all rows of a table as one text, and all tables in one journey."""
    *others, last = (
        f"INSERT INTO {table.name} ({_listed(names)}) SELECT {_listed(names)} "
        f"FROM json_populate_recordset(NULL::{table.name}, %(rows_{n})s::json)"
        for n, (table, names) in enumerate(shapes)
    )
    before = ", ".join(f"insert_{n} AS ({insert})" for n, insert in enumerate(others))
    return f"WITH {before} {last}" if others else last


@lru_cache
def _from_values(table: Table, names: tuple[str, ...]) -> str:
    """SQLite takes them row by row, from the driver's own loop."""
    return f"INSERT INTO {table.name} ({_listed(names)}) VALUES ({', '.join('?' * len(names))})"


@lru_cache
def _writers(
    table: Table, names: tuple[str, ...], dialect: Dialect
) -> Sequence[tuple[str, Callable[[Any], Any] | None]]:
    """How the driver wants the values of each column; None: as they are. Rows that are inserted together share their
    moments."""
    writers: list[tuple[str, Callable[[Any], Any] | None]] = []
    for name in names:
        kind = table.c[name].type
        write = kind.dialect_impl(dialect).bind_processor(dialect)
        writers.append((name, lru_cache(8)(write) if write and isinstance(kind, UtcDateTime) else write))
    return writers


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
