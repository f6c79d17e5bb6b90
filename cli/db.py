"""`safelight db`: migrations."""

import json

import click

from cli.client import Refused
from config.settings import read_settings


@click.group("db")
def db_command() -> None:
    """Migrate the database, or check it."""


@db_command.command("upgrade")
@click.option("--json", "as_json", is_flag=True)
def upgrade_command(as_json: bool) -> None:
    """Bring the database to the newest revision."""
    from storage.engine import Database
    from storage.migrations import revisions, upgrade

    database = Database(read_settings().database)
    upgrade(database)
    current, _ = revisions(database)
    click.echo(json.dumps({"revision": current}) if as_json else f"at revision {current}")


@db_command.command("check")
@click.option("--json", "as_json", is_flag=True)
def check_command(as_json: bool) -> None:
    """Exit 1 when a migration is missing, or migrations and tables differ."""
    from storage.engine import Database
    from storage.migrations import differences, revisions

    database = Database(read_settings().database)
    current, newest = revisions(database)
    found = differences(database) if current == newest else []
    if as_json:
        click.echo(json.dumps({"revision": current, "newest": newest, "differences": found}))
    if current != newest:
        raise Refused(f"the database is at {current or 'nothing'}, not at {newest}: run `safelight db upgrade`")
    if found:
        raise Refused("migrations and tables differ:\n" + "\n".join(f"  {line}" for line in found))
    if not as_json:
        click.echo(f"at revision {current}, and it agrees with the tables")
