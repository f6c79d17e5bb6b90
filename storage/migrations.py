"""Alembic, driven from code: upgrade a database, and say whether it and the tables agree."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from storage.engine import Database
from storage.tables import METADATA

_SCRIPTS = Path(__file__).resolve().parent.parent / "alembic"


def upgrade(database: Database) -> None:
    """Bring the database to the newest revision. Two processes may call it at once: one waits."""
    with database.writing() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7233746)")
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def revisions(database: Database) -> tuple[str | None, str | None]:
    """The revision the database is at, and the newest one there is."""
    with database.reading() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory.from_config(_config()).get_current_head()


def differences(database: Database) -> list[str]:
    """In words, each way in which the database differs from the tables; empty when they agree."""
    with database.reading() as connection:
        return [_sentence(found) for found in _compare(connection)]


def _compare(connection: Connection) -> list[Any]:
    options = {"compare_type": True, "compare_server_default": False}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))


def _sentence(found: Any) -> str:
    if isinstance(found, list):
        return "; ".join(_sentence(one) for one in found)
    what, *about = found
    return f"{what}: " + ", ".join(str(getattr(part, "name", part)) for part in about if part is not None)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    return config
