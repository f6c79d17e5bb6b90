"""`safelight groups`: several jobs as one, through the API."""

import json
from pathlib import Path
from typing import IO

import click

from cli.client import Api, Document, Refused
from cli.generate import finish
from cli.options import show, with_api
from cli.watching import follow

_STATUSES = ("waiting", "running", "succeeded", "partial", "failed", "canceled")


@click.group("groups")
def groups_command() -> None:
    """Submit, list, show, watch, cancel, retry, delete groups of jobs."""


@groups_command.command("submit")
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="default: ID.png")
@click.option("--no-wait", is_flag=True, help="Print the group's id and leave.")
@with_api
def submit_command(api: Api, as_json: bool, file: IO[str], output: Path | None, no_wait: bool) -> None:
    """Submit FILE, the JSON body of a group (- reads stdin); show its progress, save what comes out."""
    try:
        body = json.load(file)
    except ValueError as wrong:
        raise click.UsageError(f"{file.name} is not JSON: {wrong}") from wrong
    finish(api, api.post("/v1/groups", body), output, as_json=as_json, no_wait=no_wait)


@groups_command.command("list")
@click.option("--status", type=click.Choice(_STATUSES), multiple=True)
@click.option("--since", help="RFC 3339, or an age such as 1h.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 200))
@with_api
def list_command(api: Api, as_json: bool, status: tuple[str, ...], since: str | None, limit: int) -> None:
    """Newest first."""
    page = api.get("/v1/groups", status=list(status) or None, since=since, limit=limit)
    groups = page["groups"]
    show({"groups": groups}, as_json, lambda: "\n".join(map(_line, groups)) or "no such groups")


@groups_command.command("show")
@click.argument("group_id", metavar="ID")
@with_api
def show_command(api: Api, as_json: bool, group_id: str) -> None:
    """One group and its members."""
    group = api.get(f"/v1/groups/{group_id}")
    show(group, as_json, lambda: _page(group))


@groups_command.command("watch")
@click.argument("group_id", metavar="ID")
@with_api
def watch_command(api: Api, as_json: bool, group_id: str) -> None:
    """Follow one group to its end. Exit 1 when it did not succeed."""
    group = follow(api, api.get(f"/v1/groups/{group_id}"), quiet=as_json)
    show(group, as_json, lambda: _page(group))
    if group["status"] != "succeeded":
        raise Refused(f"group {group_id} {group['status']}")


@groups_command.command("cancel")
@click.argument("group_id", metavar="ID")
@with_api
def cancel_command(api: Api, as_json: bool, group_id: str) -> None:
    """Cancel all members that are not over."""
    _act(api, as_json, group_id, "cancel")


@groups_command.command("retry")
@click.argument("group_id", metavar="ID")
@with_api
def retry_command(api: Api, as_json: bool, group_id: str) -> None:
    """Queue the members again that ended without a result."""
    _act(api, as_json, group_id, "retry")


@groups_command.command("delete")
@click.argument("group_id", metavar="ID")
@with_api
def delete_command(api: Api, as_json: bool, group_id: str) -> None:
    """Delete a group that has ended, its jobs, and what only they list."""
    api.delete(f"/v1/groups/{group_id}")
    show({"id": group_id, "deleted": True}, as_json, lambda: f"{group_id}  deleted")


def _act(api: Api, as_json: bool, group_id: str, verb: str) -> None:
    group = api.post(f"/v1/groups/{group_id}/{verb}")
    show(group, as_json, lambda: f"{group['id']}  {group['status']}")


def _line(group: Document) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in group["counts"].items() if count)
    return f"{group['id']}  {group['status']:<9}  {group['created_at'][:19]}Z  {counts}"


def _page(group: Document) -> str:
    lines = [
        f"{group['id']}  {group['status']}",
        f"  join      {json.dumps(group['join'])}, {group['on_member_failure']}",
        f"  progress  {group['progress']:.0%}",
    ]
    lines += [
        f"  {'*' if member['joined'] else ' '} {member['name']:<16} {member['id']}  {member['status']}"
        for member in group["members"]
    ]
    lines += [f"  output    {output['url']}  seed {output['seed']}" for output in group["outputs"]]
    if group["error"]:
        lines.append(f"  error     {group['error']['code']}: {group['error']['message']}")
    return "\n".join(lines)
