"""`safelight schedules`: jobs by the clock, through the API."""

import click

from cli.client import Api, Document
from cli.options import Body, show, template_of, template_page, with_api

_PATH = "/v1/schedules"


@click.group("schedules")
def schedules_command() -> None:
    """Jobs by the clock."""


@schedules_command.command("list")
@with_api
def list_command(api: Api, as_json: bool) -> None:
    """By name."""
    found = api.get(_PATH)
    show(found, as_json, lambda: "\n".join(map(_line, found["schedules"])) or "no schedules")


@schedules_command.command("show")
@click.argument("schedule_id", metavar="ID")
@with_api
def show_command(api: Api, as_json: bool, schedule_id: str) -> None:
    """One schedule."""
    schedule = api.get(f"{_PATH}/{schedule_id}")
    show(schedule, as_json, lambda: template_page(schedule))


@schedules_command.command("create")
@click.argument("name")
@click.option("--cron", required=True, help='Five fields, or six with seconds before them: "0 6 * * mon-fri".')
@click.option("--timezone", default="UTC", show_default=True, help="Of the IANA database.")
@click.option("--catch-up", type=click.Choice(("none", "last", "all")), default="last", show_default=True)
@click.option("--disabled", is_flag=True, help="Only write it down.")
@click.option("--job", type=Body(), help="JSON, as POST /v1/jobs takes it; @FILE reads it there.")
@click.option("--group", type=Body(), help="Instead: as POST /v1/groups takes it.")
@with_api
def create_command(
    api: Api,
    as_json: bool,
    name: str,
    cron: str,
    timezone: str,
    catch_up: str,
    disabled: bool,
    job: Document | None,
    group: Document | None,
) -> None:
    """Have a job, or a group, made at each tick."""
    wanted = {"name": name, "cron": cron, "timezone": timezone, "catch_up": catch_up, "enabled": not disabled}
    made = api.post(_PATH, wanted | template_of(job, group))
    show(made, as_json, lambda: _line(made))


@schedules_command.command("enable")
@click.argument("schedule_id", metavar="ID")
@with_api
def enable_command(api: Api, as_json: bool, schedule_id: str) -> None:
    """From its next tick on."""
    changed = api.patch(f"{_PATH}/{schedule_id}", {"enabled": True})
    show(changed, as_json, lambda: _line(changed))


@schedules_command.command("disable")
@click.argument("schedule_id", metavar="ID")
@with_api
def disable_command(api: Api, as_json: bool, schedule_id: str) -> None:
    """No more ticks, until it is enabled."""
    changed = api.patch(f"{_PATH}/{schedule_id}", {"enabled": False})
    show(changed, as_json, lambda: _line(changed))


@schedules_command.command("delete")
@click.argument("schedule_id", metavar="ID")
@with_api
def delete_command(api: Api, as_json: bool, schedule_id: str) -> None:
    """The jobs it has made stay."""
    api.delete(f"{_PATH}/{schedule_id}")
    show({"id": schedule_id, "deleted": True}, as_json, lambda: f"{schedule_id}  deleted")


@schedules_command.command("test")
@click.argument("cron")
@click.option("--timezone", default="UTC", show_default=True)
@click.option("--count", default=5, show_default=True, type=click.IntRange(1, 100))
@with_api
def test_command(api: Api, as_json: bool, cron: str, timezone: str, count: int) -> None:
    """When it would tick next."""
    found = api.post(f"{_PATH}/test", {"cron": cron, "timezone": timezone, "count": count})
    show(found, as_json, lambda: "\n".join(found["ticks"]))


def _line(schedule: Document) -> str:
    following = f"next {schedule['next_at'][:19]}Z" if schedule["next_at"] else "disabled"
    error = f"  {schedule['last_error']}" if schedule["last_error"] else ""
    return (
        f"{schedule['id']}  {schedule['name']:<24}  {schedule['cron']:<16} {schedule['timezone']}  {following}{error}"
    )
