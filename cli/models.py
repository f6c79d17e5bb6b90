"""`safelight models`: the catalog."""

import json

import click

from cli.aliases import alias_command
from cli.client import Api, Document, Refused
from cli.options import show, with_api
from config.settings import read_settings


@click.group("models")
def models_command() -> None:
    """The catalog."""


models_command.add_command(alias_command)


@models_command.command("list")
@with_api
def list_command(api: Api, as_json: bool) -> None:
    """Every model of the installation, and the files that could not be read."""
    found = api.get("/v1/models")
    lines = [_line(model) for model in found["models"]]
    lines += [f"{one['file']}: left out: {one['reason']}" for one in found["broken"]]
    show(found, as_json, lambda: "\n".join(lines))


@models_command.command("show")
@click.argument("name")
@with_api
def show_command(api: Api, as_json: bool, name: str) -> None:
    """One model, the parameters it takes, and how each of its versions did in the last minutes."""
    model = api.get(f"/v1/models/{name}")
    model["figures"] = api.get(f"/v1/models/{model['name']}/versions")["versions"]
    show(model, as_json, lambda: _page(model))


@models_command.command("verify")
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True)
def verify_command(names: tuple[str, ...], as_json: bool) -> None:
    """Check this machine's catalog files and weights; exit 1 when something is missing."""
    from cli.doctor import check_weights
    from models.catalog import read_catalog

    settings = read_settings()
    catalog = read_catalog(settings.models, diagnostics=settings.diagnostics)
    entries = [catalog.find(name) for name in names] or list(catalog)
    found = {entry.full_name: check_weights(entry) for entry in entries}
    faults = {name: fault for name, fault in found.items() if fault}
    faults |= {} if names else {str(one.file): one.reason for one in catalog.broken}
    if as_json:
        click.echo(json.dumps({"verified": list(found), "faults": faults}))
    else:
        click.echo("\n".join(f"{name}: {faults.get(name) or 'ok'}" for name in found | faults))
    if faults:
        raise Refused(f"{len(faults)} fault(s)")


def _line(model: Document) -> str:
    marks = ", ".join(mark for mark in ("default", "warm") if model[mark])
    name, version, kind = model["name"], model["versions"][-1], model["media_kind"]
    return f"{name:<16} {version:<6} {kind:<6} {marks:<14} {model['description']}"


def _figures(version: Document) -> str:
    run, finished = version["run_s"], version["finished"]
    counts = ", ".join(f"{count} {status}" for status, count in finished.items() if count) or "nothing lately"
    times = "" if run["p50"] is None else f"; run p50 {run['p50']:.3f} s, p95 {run['p95']:.3f} s"
    return f"  @{version['version']:<8} {'warm' if version['warm'] else '':<5} {counts}{times}"


def _page(model: Document) -> str:
    lines = [_line(model), "", *map(_figures, model["figures"]), ""]
    for name, schema in model["input_schema"].get("properties", {}).items():
        rule = schema if isinstance(schema, dict) else {}
        facts = {key: value for key, value in rule.items() if key not in ("title", "description", "examples")}
        lines.append(f"  {name:<16} {rule.get('description') or rule.get('title', '')}")
        lines.append(f"  {'':<16} {json.dumps(facts)}")
    return "\n".join(lines)
