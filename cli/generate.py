"""`safelight generate`."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from cli.client import Api, Document, Refused
from cli.options import show, with_api
from cli.watching import follow


@click.command("generate")
@click.argument("prompt")
@click.option("--model", "-m", help="Name, alias or name@version; default: the catalog's default.")
@click.option("--seed", type=int)
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="default: ID.png")
@click.option(
    "--input",
    "-i",
    "inputs",
    multiple=True,
    metavar="KEY=VALUE",
    help="A parameter of the model; KEY=@FILE brings a file.",
)
@click.option("--priority", type=click.Choice(["interactive", "batch"]), default="interactive")
@click.option("--no-cache", is_flag=True, help="Do it although the same was done before.")
@click.option("--no-wait", is_flag=True, help="Print the job's id and leave.")
@with_api
def generate_command(
    api: Api,
    as_json: bool,
    prompt: str,
    model: str | None,
    seed: int | None,
    output: Path | None,
    inputs: tuple[str, ...],
    priority: str,
    no_cache: bool,
    no_wait: bool,
) -> None:
    """Submit PROMPT, show its progress, save what comes out."""
    given: dict[str, Any] = {"prompt": prompt, **dict(bring(api, text) for text in inputs)}
    if seed is not None:
        given["seed"] = seed
    body = {"model": model or default_model(api), "input": given, "priority": priority}
    job = api.post("/v1/jobs", body, {"Cache-Control": "no-cache"} if no_cache else None)
    if no_wait:
        show(job, as_json, lambda: job["id"])
        return
    job = follow(api, job, quiet=as_json)
    if job["status"] != "succeeded":
        if as_json:
            click.echo(json.dumps(job))
        raise Refused(_why(job))
    files = [str(file) for file in _save(api, job, output)]
    show({**job, "files": files}, as_json, lambda: _summary(job, files))


def default_model(api: Api) -> str:
    """Raises: Refused, when the catalog has none."""
    models = api.get("/v1/models")["models"]
    names = [model["name"] for model in models if model["default"]]
    if not names:
        raise Refused("the catalog has no default model: name one with --model")
    return str(names[0])


def parse_input(text: str) -> tuple[str, Any]:
    """`steps=8` is a number, `exact=true` a boolean; what is no JSON is text."""
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise click.UsageError(f"--input takes KEY=VALUE, not {text!r}")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def bring(api: Api, text: str) -> tuple[str, Any]:
    """`image=@cat.png` uploads the file, and refers to it; the rest is as `parse_input` has it."""
    key, _, value = text.partition("=")
    if not key or not value.startswith("@"):
        return parse_input(text)
    file = Path(value.removeprefix("@"))
    if not file.is_file():
        raise click.UsageError(f"there is no file {file}")
    return key, api.upload("/v1/uploads", {}, file)["reference"]


def _save(api: Api, job: Document, output: Path | None) -> list[Path]:
    files = []
    for index, artifact in enumerate(job["outputs"]):
        extension = Path(urlsplit(artifact["url"]).path).suffix
        first = output or Path(f"{job['id']}{extension}")
        file = first if index == 0 else first.with_name(f"{first.stem}-{index}{first.suffix}")
        file.write_bytes(api.download(artifact["url"]))
        files.append(file)
    return files


def _summary(job: Document, files: list[str]) -> str:
    timings = job["timings"]
    parts = [f"{name} {timings[f'{name}_s']:.2f} s" for name in ("queued", "load", "run") if not job["cached"]]
    took = ", ".join([*parts, f"total {timings['total_s']:.2f} s"])
    seeds = ", ".join(str(output["seed"]) for output in job["outputs"])
    return f"{chr(10).join(files)}\njob {job['id']}, seed {seeds}{', done before' * job['cached']}: {took}"


def _why(job: Document) -> str:
    error = job["error"] or {"code": job["status"], "message": ""}
    return f"job {job['id']} {job['status']}: {error['code']}: {error['message']}"
