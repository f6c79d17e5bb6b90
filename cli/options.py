"""Options that many commands share, and how they answer in words or in JSON."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cli.client import Api, Document
from config.settings import read_settings


def with_api(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--url` and `--json`; it receives an open `api` and `as_json`."""

    def run(url: str | None, **options: Any) -> Any:
        settings = read_settings(url=url)
        return command(api=Api(settings.url, settings.api_key or None), **options)

    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    run.__dict__.update(command.__dict__)  # the options that were declared below this one
    run = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")(run)
    return click.option("--url", help="Where the API is; default: SAFELIGHT_URL, or the stack here.")(run)


class Body(click.ParamType[Document]):
    """A JSON object, as it stands or, after an @, in a file."""

    name = "JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            body = json.loads(Path(value[1:]).read_text("utf-8") if value.startswith("@") else value)
        except (OSError, ValueError) as fault:
            self.fail(str(fault), param, ctx)
        return body if isinstance(body, dict) else self.fail("it is no JSON object", param, ctx)


def show(document: Any, as_json: bool, words: Callable[[], str]) -> None:
    click.echo(json.dumps(document, ensure_ascii=False) if as_json else words())


def job_line(job: Document) -> str:
    """A job on one line, for lists."""
    prompt = " ".join(str(job["input"].get("prompt", "")).split())
    shown = prompt if len(prompt) <= 48 else f"{prompt[:47]}…"
    return f"{job['id']}  {job['status']:<9}  {job['model']:<10}  {job['created_at'][:19]}Z  {shown}"


def attempt_line(attempt: Document) -> str:
    """One attempt, for the end of a job's page."""
    error = attempt["error"]
    why = f": {error['code']}: {error['message']}" if error else ""
    return f"  attempt {attempt['number']} on {attempt['worker']}: {attempt['outcome'] or 'under way'}{why}"


def template_of(job: Document | None, group: Document | None) -> Document:
    """What --job and --group say."""
    if (job is None) == (group is None):
        raise click.UsageError("name either --job or --group")
    return {"job": job} if group is None else {"group": group}


def template_page(thing: Document) -> str:
    """A schedule, trigger or rule on several lines, for reading."""
    facts = {name: value for name, value in thing.items() if name not in ("id", "name", "urls") and value is not None}
    head = [f"{thing['id']}  {thing['name']}"] if "id" in thing else []
    words = (
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in facts.items()
    )
    return "\n".join([*head, *(f"  {name:<11} {word}" for name, word in words)])


def job_page(job: Document) -> str:
    """A job on several lines, for reading."""
    timings = job["timings"]
    lines = [
        f"{job['id']}  {job['status']}{', done before' * job['cached']}",
        f"  model     {job['model']}@{job['model_version']}, {job['priority']}",
        f"  input     {json.dumps(job['input'], ensure_ascii=False)}",
        f"  progress  {job['progress']:.0%}, step {job['step']} of {job['steps']}",
        f"  attempt   {job['attempt']} of {job['max_attempts']}",
        f"  timings   {', '.join(f'{k} {v:.3f}' for k, v in timings.items() if v is not None)}",
    ]
    lines += [f"  output    {output['url']}  seed {output['seed']}" for output in job["outputs"]]
    if job["error"]:
        lines.append(f"  error     {job['error']['code']}: {job['error']['message']}")
    return "\n".join(lines)


def agree(question: str, yes: bool, harmless: bool = False) -> None:
    """Ask. A script, which nobody can ask, has said what it wants, where that destroys nothing."""
    if not (yes or (harmless and not sys.stdin.isatty())):
        click.confirm(question, abort=True, err=True)
