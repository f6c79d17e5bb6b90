"""`safelight generate`: one job, or one prompt with several seeds, which is a group."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from cli.client import Api, Document, Refused
from cli.options import show, with_api
from cli.watching import follow


@click.command("generate")
@click.argument("prompt", required=False)
@click.option("--model", "-m", help="Name, alias or name@version; default: the catalog's default.")
@click.option("--seed", type=int)
@click.option("--seeds", metavar="N,N,…", help="One job for each of them, as a group.")
@click.option("--first", type=click.IntRange(min=1), help="Of --seeds: the first so many will do; cancel the others.")
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
    prompt: str | None,
    model: str | None,
    seed: int | None,
    seeds: str | None,
    first: int | None,
    output: Path | None,
    inputs: tuple[str, ...],
    priority: str,
    no_cache: bool,
    no_wait: bool,
) -> None:
    """Submit PROMPT, show its progress, save what comes out. A model that takes no words needs no PROMPT."""
    if prompt is None and not inputs:
        raise click.UsageError("say what to make: PROMPT, or an --input")
    given: dict[str, Any] = {} if prompt is None else {"prompt": prompt}
    given |= dict(bring(api, text) for text in inputs)
    if seed is not None:
        given["seed"] = seed
    if first and not seeds:
        raise click.UsageError("--first goes with --seeds")
    chosen = model or default_model(api)
    headers = {"Cache-Control": "no-cache"} if no_cache else None
    if seeds:
        fan_out = {"input": given, "models": [chosen], "seeds": _numbers(seeds)}
        join = {"first": first} if first else "all"
        made = api.post("/v1/groups", {"fan_out": fan_out, "join": join, "priority": priority}, headers)
    else:
        made = api.post("/v1/jobs", {"model": chosen, "input": given, "priority": priority}, headers)
    finish(api, made, output, as_json=as_json, no_wait=no_wait)


def finish(api: Api, made: Document, output: Path | None, *, as_json: bool, no_wait: bool) -> None:
    """Follow a job or a group to its end and save what came out; or print its id. Raises: Refused."""
    if no_wait:
        show(made, as_json, lambda: made["id"])
        return
    made = follow(api, made, quiet=as_json)
    if made["status"] not in ("succeeded", "partial"):
        if as_json:
            click.echo(json.dumps(made))
        raise Refused(_why(made))
    files = [str(file) for file in _save(api, made, output)]
    show({**made, "files": files}, as_json, lambda: _summary(made, files))
    if made["status"] == "partial":
        raise Refused(_why(made))


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


def _numbers(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError as wrong:
        raise click.UsageError(f"--seeds takes numbers with commas between them, not {text!r}") from wrong


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
    if "members" in job:
        joined = [member["name"] for member in job["members"] if member["joined"]]
        return (
            f"{chr(10).join(files)}\ngroup {job['id']}, {len(joined)} of {len(job['members'])}: {', '.join(joined)}"
        )
    timings = job["timings"]
    parts = [f"{name} {timings[f'{name}_s']:.2f} s" for name in ("queued", "load", "run") if not job["cached"]]
    took = ", ".join([*parts, f"total {timings['total_s']:.2f} s"])
    seeds = ", ".join(str(output["seed"]) for output in job["outputs"] if output["seed"] is not None)
    told = f"job {job['id']}{f', seed {seeds}' if seeds else ''}{', done before' * job['cached']}"
    return f"{chr(10).join(files)}\n{told}: {took}"


def _why(job: Document) -> str:
    error = job["error"] or {"code": job["status"], "message": ""}
    kind = "group" if "members" in job else "job"
    return f"{kind} {job['id']} {job['status']}: {error['code']}: {error['message']}"
