"""Alembic's entry: runs migrations on the connection it is handed, or on the configured database."""

from alembic import context
from sqlalchemy import Connection

from storage.tables import METADATA


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


handed = context.config.attributes.get("connection")
if handed is not None:
    run(handed)
else:
    from config.settings import read_settings
    from storage.engine import Database

    database = Database(read_settings().database)
    with database.writing() as opened:
        run(opened)
    database.close()
