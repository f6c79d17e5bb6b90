"""`safelight rules`: what shall follow when something happens to a job, through the API."""

import click

from cli.client import Api, Document
from cli.options import Body, show, template_page, with_api

_PATH = "/v1/rules"
_EVENTS = ("submitted", "started", "completed")


@click.group("rules")
def rules_command() -> None:
    """What shall follow when something happens to a job."""


@rules_command.command("list")
@with_api
def list_command(api: Api, as_json: bool) -> None:
    """By name."""
    found = api.get(_PATH)
    show(found, as_json, lambda: "\n".join(map(_line, found["rules"])) or "no rules")


@rules_command.command("show")
@click.argument("rule_id", metavar="ID")
@with_api
def show_command(api: Api, as_json: bool, rule_id: str) -> None:
    """One rule."""
    rule = api.get(f"{_PATH}/{rule_id}")
    show(rule, as_json, lambda: template_page(rule))


@rules_command.command("create")
@click.argument("name")
@click.option("--on", "event", type=click.Choice(_EVENTS), required=True)
@click.option("--pattern", type=Body(), required=True, help='JSON: {"model": ["scenes"]}; or @FILE.')
@click.option("--target", "targets", type=Body(), required=True, multiple=True, help='JSON: {"job": {…}}; or @FILE.')
@with_api
def create_command(
    api: Api, as_json: bool, name: str, event: str, pattern: Document, targets: tuple[Document, ...]
) -> None:
    """Have something follow."""
    made = api.post(_PATH, {"name": name, "on": event, "pattern": pattern, "targets": list(targets)})
    show(made, as_json, lambda: _line(made))


@rules_command.command("enable")
@click.argument("rule_id", metavar="ID")
@with_api
def enable_command(api: Api, as_json: bool, rule_id: str) -> None:
    """For jobs that are submitted from now on."""
    changed = api.patch(f"{_PATH}/{rule_id}", {"enabled": True})
    show(changed, as_json, lambda: _line(changed))


@rules_command.command("disable")
@click.argument("rule_id", metavar="ID")
@with_api
def disable_command(api: Api, as_json: bool, rule_id: str) -> None:
    """Nothing follows, until it is enabled."""
    changed = api.patch(f"{_PATH}/{rule_id}", {"enabled": False})
    show(changed, as_json, lambda: _line(changed))


@rules_command.command("delete")
@click.argument("rule_id", metavar="ID")
@with_api
def delete_command(api: Api, as_json: bool, rule_id: str) -> None:
    """The jobs it has made stay."""
    api.delete(f"{_PATH}/{rule_id}")
    show({"id": rule_id, "deleted": True}, as_json, lambda: f"{rule_id}  deleted")


@rules_command.command("test")
@click.option("--on", "event", type=click.Choice(_EVENTS), default="completed", show_default=True)
@click.option("--job", "job_id", metavar="ID", help="What would follow from this job as it stands.")
@click.option("--event", "seen", type=Body(), help='JSON, as patterns see it: {"model": "scenes"}; or @FILE.')
@click.option("--rule", type=Body(), help='Try this one: {"pattern": {…}, "targets": […]}; or @FILE.')
@with_api
def test_command(
    api: Api, as_json: bool, event: str, job_id: str | None, seen: Document | None, rule: Document | None
) -> None:
    """Which rules an event would concern, and what they would do. Nothing is done."""
    if (job_id is None) == (seen is None):
        raise click.UsageError("name either --job or --event")
    wanted = {"on": event, "job_id": job_id, "event": seen, "rule": rule}
    tried = api.post(f"{_PATH}/test", {name: value for name, value in wanted.items() if value is not None})
    show(tried, as_json, lambda: "\n".join(map(_match, tried["matches"])) or "no rule is concerned")


def _line(rule: Document) -> str:
    kinds = ", ".join(next(iter(target)) for target in rule["targets"])
    state = "" if rule["enabled"] else "  disabled"
    error = f"  {rule['last_error']}" if rule["last_error"] else ""
    return f"{rule['id']}  {rule['name']:<24}  on {rule['on']:<9}  {kinds}{state}{error}"


def _match(match: Document) -> str:
    return "\n".join([match["rule"]["name"], *(template_page(target) for target in match["targets"])])
