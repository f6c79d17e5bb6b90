"""`safelight triggers`: jobs by an event, through the API."""

import click

from cli.client import Api, Document
from cli.options import Body, show, template_of, template_page, with_api

_PATH = "/v1/triggers"


@click.group("triggers")
def triggers_command() -> None:
    """Jobs by an event: a signed request, or a file in a watched folder."""


@triggers_command.command("list")
@with_api
def list_command(api: Api, as_json: bool) -> None:
    """By name."""
    found = api.get(_PATH)
    show(found, as_json, lambda: "\n".join(map(_line, found["triggers"])) or "no triggers")


@triggers_command.command("show")
@click.argument("trigger_id", metavar="ID")
@with_api
def show_command(api: Api, as_json: bool, trigger_id: str) -> None:
    """One trigger, without its secret."""
    trigger = api.get(f"{_PATH}/{trigger_id}")
    show(trigger, as_json, lambda: template_page(trigger))


@triggers_command.command("create")
@click.argument("name")
@click.option("--job", type=Body(), help="JSON, with ${body.…} or ${file.…} in it; or @FILE.")
@click.option("--group", type=Body(), help="Instead: as POST /v1/groups takes it, likewise.")
@click.option("--folder", help="Watch this one, instead of taking events; on the reaper's machine.")
@click.option("--pattern", help="With --folder: which names, such as *.png.")
@with_api
def create_command(
    api: Api,
    as_json: bool,
    name: str,
    job: Document | None,
    group: Document | None,
    folder: str | None,
    pattern: str | None,
) -> None:
    """Have a job made of each event. The secret is told this once."""
    wanted: Document = {"name": name, **template_of(job, group)}
    if folder:
        wanted |= {"kind": "folder", "path": folder} | ({"pattern": pattern} if pattern else {})
    elif pattern:
        raise click.UsageError("--pattern goes with --folder")
    made = api.post(_PATH, wanted)
    show(made, as_json, lambda: _told(made))


@triggers_command.command("rotate")
@click.argument("trigger_id", metavar="ID")
@with_api
def rotate_command(api: Api, as_json: bool, trigger_id: str) -> None:
    """A new secret; the one before is good no more."""
    changed = api.post(f"{_PATH}/{trigger_id}/rotate")
    show(changed, as_json, lambda: str(changed["secret"]))


@triggers_command.command("enable")
@click.argument("trigger_id", metavar="ID")
@with_api
def enable_command(api: Api, as_json: bool, trigger_id: str) -> None:
    """Take events, or watch, again."""
    changed = api.patch(f"{_PATH}/{trigger_id}", {"enabled": True})
    show(changed, as_json, lambda: _line(changed))


@triggers_command.command("disable")
@click.argument("trigger_id", metavar="ID")
@with_api
def disable_command(api: Api, as_json: bool, trigger_id: str) -> None:
    """Refuse events, or do not watch, until it is enabled."""
    changed = api.patch(f"{_PATH}/{trigger_id}", {"enabled": False})
    show(changed, as_json, lambda: _line(changed))


@triggers_command.command("delete")
@click.argument("trigger_id", metavar="ID")
@with_api
def delete_command(api: Api, as_json: bool, trigger_id: str) -> None:
    """The jobs it has made stay."""
    api.delete(f"{_PATH}/{trigger_id}")
    show({"id": trigger_id, "deleted": True}, as_json, lambda: f"{trigger_id}  deleted")


@triggers_command.command("test")
@click.argument("trigger_id", metavar="ID")
@click.option("--body", type=Body(), default="{}", help="An event, as JSON; or @FILE.")
@click.option("--file", "name", default="example.png", show_default=True, help="For a folder: a file's name.")
@with_api
def test_command(api: Api, as_json: bool, trigger_id: str, body: Document, name: str) -> None:
    """Which job an event would submit. Nothing is submitted."""
    tried = api.post(f"{_PATH}/{trigger_id}/test", {"body": body, "file": name})
    show(tried, as_json, lambda: template_page(tried))


def _line(trigger: Document) -> str:
    place = f"{trigger['path']}/{trigger['pattern']}" if trigger["path"] else trigger["urls"]["fire"]
    state = "" if trigger["enabled"] else "  disabled"
    error = f"  {trigger['last_error']}" if trigger["last_error"] else ""
    return f"{trigger['id']}  {trigger['name']:<24}  {trigger['kind']:<7}  {place}{state}{error}"


def _told(made: Document) -> str:
    return _line(made) + (f"\nsecret  {made['secret']}" if made["secret"] else "")
