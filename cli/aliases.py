"""`safelight models alias`: names that stand for several versions of models."""

from typing import Any

import click

from cli.client import Api, Document
from cli.options import show, with_api


@click.group("alias")
def alias_command() -> None:
    """Names that stand for several versions of models: shares, shadows, roll back."""


@alias_command.command("set")
@click.argument("name")
@click.argument("targets", metavar="NAME@VERSION[=WEIGHT]...", nargs=-1, required=True)
@click.option("--shadow", "shadows", multiple=True, metavar="NAME@VERSION=PERCENT", help="Does some jobs again.")
@with_api
def set_command(api: Api, as_json: bool, name: str, targets: tuple[str, ...], shadows: tuple[str, ...]) -> None:
    """Let NAME stand for these versions, each with a share of the jobs by its weight (1 if none is given)."""
    body: dict[str, Any] = {"name": name, "targets": [_target(text) for text in targets]}
    body["shadows"] = [_shadow(text) for text in shadows]
    alias = api.post("/v1/aliases", body)
    show(alias, as_json, lambda: _line(alias))


@alias_command.command("list")
@with_api
def list_command(api: Api, as_json: bool) -> None:
    """What every alias stands for."""
    found = api.get("/v1/aliases")
    show(found, as_json, lambda: "\n".join(map(_line, found["aliases"])) or "no aliases")


@alias_command.command("show")
@click.argument("name")
@with_api
def show_command(api: Api, as_json: bool, name: str) -> None:
    """One alias with all its revisions, and how its shadows did."""
    alias = api.get(f"/v1/aliases/{name}")
    show(alias, as_json, lambda: _page(alias))


@alias_command.command("rollback")
@click.argument("name")
@click.option("--to", type=click.IntRange(1), help="A revision; default: the one before.")
@with_api
def rollback_command(api: Api, as_json: bool, name: str, to: int | None) -> None:
    """Let NAME stand again for what it stood for before."""
    alias = api.post(f"/v1/aliases/{name}/rollback", {"to": to})
    show(alias, as_json, lambda: _line(alias))


@alias_command.command("delete")
@click.argument("name")
@with_api
def delete_command(api: Api, as_json: bool, name: str) -> None:
    """Forget NAME, with all its revisions."""
    api.delete(f"/v1/aliases/{name}")
    show({"deleted": name}, as_json, lambda: f"{name} is deleted")


def _target(text: str) -> Document:
    model, _, weight = text.partition("=")
    if weight and not weight.isdigit():
        raise click.UsageError(f"a weight is a whole number, not {weight!r}")
    return {"model": model, "weight": int(weight or 1)}


def _shadow(text: str) -> Document:
    model, _, percent = text.partition("=")
    try:
        return {"model": model, "percent": float(percent)}
    except ValueError as fault:
        raise click.UsageError(f"--shadow takes NAME@VERSION=PERCENT, not {text!r}") from fault


def _line(alias: Document) -> str:
    whole = sum(target["weight"] for target in alias["targets"])
    parts = [f"{one['model']} {one['weight'] / whole:.4g}" for one in alias["targets"]]
    parts += [f"shadow {one['model']} {one['percent']:g} %" for one in alias["shadows"]]
    restored = f", as in {alias['restores']}" if alias["restores"] else ""
    return f"{alias['name']:<16} revision {alias['revision']}{restored}: {', '.join(parts)}"


def _page(alias: Document) -> str:
    lines = [f"{one['created_at'][:19]}Z  {_line(one)}" for one in alias["revisions"]]
    for one in alias["comparisons"]:
        counts = f"{one['compared']} compared, {one['equal']} the same to the bit, {one['failed']} failed"
        times = "" if one["run_s"] is None else f"; {one['shadow_run_s']:.3f} s beside {one['run_s']:.3f} s"
        lines.append(f"shadow {one['model']}: {counts}{times}")
    return "\n".join(lines)
