"""The `safelight` command: its groups and where each lives. Commands import what they need when they run, so
that `--help` answers at once."""

import importlib
import logging
import sys
from typing import Any

import click

from config.settings import SettingsError, read_settings
from jobs.errors import SafelightError

_COMMANDS = {
    "up": ("cli.up", "Run the whole stack here: API, workers, broker, reaper, courier, Flower."),
    "generate": ("cli.generate", "Submit a prompt, show its progress, save the picture."),
    "jobs": ("cli.jobs", "List, show, watch, cancel, retry, purge jobs."),
    "groups": ("cli.groups", "Several jobs as one: submit, list, show, watch, cancel, retry, delete."),
    "batch": ("cli.batch", "Run a file of jobs; list, show, cancel such batches."),
    "replay": ("cli.replay", "Do a job again as it was done; say whether the same came out."),
    "models": ("cli.models", "The catalog."),
    "bench": ("cli.bench", "Measure what this machine can do."),
    "webhooks": ("cli.webhooks", "Deliveries of webhooks, and the secret they are signed with."),
    "schedules": ("cli.schedules", "Jobs by the clock."),
    "triggers": ("cli.triggers", "Jobs by an event: a signed request, or a file in a watched folder."),
    "rules": ("cli.rules", "What shall follow when something happens to a job."),
    "stats": ("cli.stats", "Queue depth, waits, throughput and errors of the last minutes."),
    "doctor": ("cli.doctor", "Check every part; say what is wrong and how to mend it."),
    "db": ("cli.db", "Migrate the database, or check it."),
    "api": ("cli.roles", "Run the API alone."),
    "worker": ("cli.roles", "Run one worker."),
    "reaper": ("cli.roles", "Run the reaper."),
    "courier": ("cli.roles", "Run one courier: light work, such as webhooks."),
    "flower": ("cli.roles", "Run Flower."),
}


class LazyGroup(click.Group):
    """Imports a command's module only when that command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, what) in _COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def safelight() -> None:
    """A durable job service for generative media."""
    logging.basicConfig(level=read_settings().log, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def main(arguments: list[str] | None = None) -> Any:
    """Exit codes: 0 success, 1 a refused or failed action, 2 wrong usage."""
    try:
        return safelight.main(arguments, prog_name="safelight", standalone_mode=True)
    except (SafelightError, SettingsError) as fault:
        click.echo(f"Error: {fault}", err=True)
        sys.exit(1)
