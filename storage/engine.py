"""The database engine, and nearly all in which SQLite and PostgreSQL differ: pragmas, how a write transaction
begins, whose clock is asked. Queries and changes elsewhere are the same on both."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import (
    Connection,
    Dialect,
    Engine,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.types import DateTime, TypeDecorator

from jobs.errors import StoreUnavailable

_BUSY_MS = 15_000
_POSTGRES_OPTIONS = " ".join(
    f"-c {option}"
    for option in (
        "synchronous_commit=on",  # a 202 means durable
        "timezone=UTC",
        "statement_timeout=15s",
        "idle_in_transaction_session_timeout=10s",  # the feed waits this long for a commit that is late
    )
)
_WRITES = "safelight_writes"
_BEGAN = "safelight_began"
_UNSEEN_S = 0.5  # a connection that lay longer may be dead


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC on both databases; SQLite would drop the time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo:
            return value.astimezone(UTC) if value else None
        return value.replace(tzinfo=UTC)


class Database:
    """One engine: `reading()` and `writing()` hand out connections inside a transaction.

    Raises:
        StoreUnavailable: from both, when the database cannot be reached or does not answer in time.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _open_engine(url)
        self._writer = self.engine.execution_options(**{_WRITES: True})

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """On SQLite all statements see one moment. PostgreSQL shows each what was committed before it, in a
        transaction or not: without one it is two journeys less."""
        with _translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that commits on leaving. On SQLite it holds the write lock from its first moment,
        so nobody reads a row, decides, and finds at the write that it has changed."""
        with _translated(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def writing_now(self) -> Iterator[tuple[Connection, datetime]]:
        """The same with the moment at which it began, by the database's own clock; not for who will wait for a row
        and then says when he got it."""
        with self.writing() as connection:
            yield connection, datetime.now(UTC) if self.is_sqlite else connection.info[_BEGAN]

    def now(self, connection: Connection) -> datetime:
        """The database's own clock: leases must not depend on many hosts' clocks. SQLite has one host."""
        if self.is_sqlite:
            return datetime.now(UTC)
        moment: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return moment.astimezone(UTC)

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as fault:
        raise StoreUnavailable("All database connections are busy.") from fault
    except OperationalError as fault:
        raise StoreUnavailable(f"The database does not answer: {fault.orig}") from fault
    except DBAPIError as fault:
        if fault.connection_invalidated:
            raise StoreUnavailable(f"The database connection was lost: {fault.orig}") from fault
        raise


def _json(value: Any) -> str:
    """Many times faster than the default, which counts where rows are written by the thousand."""
    return to_json(value).decode()


def _open_engine(url: str) -> Engine:
    if make_url(url).get_backend_name() == "sqlite":
        return _open_sqlite(url)
    return _open_postgres(url)


def _open_postgres(url: str) -> Engine:
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=8,
        max_overflow=8,
        pool_timeout=10,
        json_serializer=_json,
        json_deserializer=from_json,
        connect_args={"connect_timeout": 5, "options": _POSTGRES_OPTIONS},
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        """The driver would make a journey of its own for it; the first answer is the one that is read."""
        if connection.get_execution_options().get(_WRITES, False):
            began = connection.exec_driver_sql("SELECT clock_timestamp(); BEGIN").scalar_one()
            connection.info[_BEGAN] = began.astimezone(UTC)

    @event.listens_for(engine, "checkin")
    def note(_connection: Any, record: Any) -> None:
        record.info["seen"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def probe(connection: Any, record: Any, _proxy: Any) -> None:
        """What was used just now is not asked whether it lives: at each transaction that would be a journey more."""
        if time.monotonic() - record.info.get("seen", 0.0) < _UNSEEN_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as fault:
            raise DisconnectionError from fault

    return engine


def _open_sqlite(url: str) -> Engine:
    file = make_url(url).database
    if file:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url, pool_size=8, max_overflow=8, pool_timeout=20, json_serializer=_json, json_deserializer=from_json
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}").fetchall()
        _write_ahead(connection)
        for pragma in (
            "synchronous=FULL",  # a 202 means durable
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _write_ahead(connection: Any) -> None:
    """Of those who open a new file together, some are told at once that it is locked: here SQLite does not wait
    by itself."""
    give_up_at = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
            return
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)
