"""`safelight jobs`: look after jobs through the API."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import click

from cli.client import Api, Document, Refused
from cli.options import agree, attempt_line, job_line, job_page, show, with_api
from cli.watching import follow

_STATUSES = ("queued", "running", "succeeded", "failed", "canceled", "expired")


@click.group("jobs")
def jobs_command() -> None:
    """List, show, watch, cancel, retry, purge jobs."""


@jobs_command.command("list")
@click.option("--status", type=click.Choice(_STATUSES), multiple=True)
@click.option("--model")
@click.option("--since", help="RFC 3339, or an age such as 1h.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100_000))
@with_api
def list_command(
    api: Api, as_json: bool, status: tuple[str, ...], model: str | None, since: str | None, limit: int
) -> None:
    """Newest first."""
    jobs = list(_all(api, status, model, since, limit))
    show({"jobs": jobs}, as_json, lambda: "\n".join(map(job_line, jobs)) or "no such jobs")


@jobs_command.command("show")
@click.argument("job_id", metavar="ID")
@with_api
def show_command(api: Api, as_json: bool, job_id: str) -> None:
    """One job, whole, with every attempt at it."""
    job = api.get(f"/v1/jobs/{job_id}") | api.get(f"/v1/jobs/{job_id}/attempts")
    show(job, as_json, lambda: "\n".join([job_page(job), *map(attempt_line, job["attempts"])]))


@jobs_command.command("watch")
@click.argument("job_id", metavar="ID")
@with_api
def watch_command(api: Api, as_json: bool, job_id: str) -> None:
    """Follow one job to its end. Exit 1 when it did not succeed."""
    job = follow(api, api.get(f"/v1/jobs/{job_id}"), quiet=as_json)
    show(job, as_json, lambda: job_page(job))
    if job["status"] != "succeeded":
        raise Refused(f"job {job_id} {job['status']}")


@jobs_command.command("cancel")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@with_api
def cancel_command(api: Api, as_json: bool, job_ids: tuple[str, ...]) -> None:
    """Cancel jobs; what is finished stays as it is."""
    _each(api, job_ids, "cancel", as_json)


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that choose many jobs at once."""
    for option in reversed(
        (
            click.option("--model"),
            click.option("--since", help="Created since: RFC 3339, or an age such as 1h."),
            click.option("--before", help="Created before: RFC 3339, or an age such as 7d."),
            click.option("--dry-run", is_flag=True, help="Only say how many."),
            click.option("--yes", is_flag=True, help="Do not ask."),
        )
    ):
        command = option(command)
    return command


@jobs_command.command("retry")
@click.argument("job_ids", metavar="[ID...]", nargs=-1)
@click.option("--failed", is_flag=True, help="All failed jobs, instead of ids.")
@_filters
@with_api
def retry_command(
    api: Api, as_json: bool, job_ids: tuple[str, ...], failed: bool, dry_run: bool, yes: bool, **chosen: str | None
) -> None:
    """Queue failed, canceled or expired jobs again."""
    if bool(job_ids) == failed:
        raise click.UsageError("name ids, or --failed")
    if failed:
        _mend(api, "retry", {"status": ["failed"], **chosen}, as_json, dry_run, yes)
    elif dry_run or any(chosen.values()):
        raise click.UsageError("--model, --since, --before and --dry-run go with --failed")
    else:
        _each(api, job_ids, "retry", as_json)


@jobs_command.command("purge")
@click.option("--status", type=click.Choice(_STATUSES[2:]), multiple=True, default=("failed",), show_default=True)
@_filters
@with_api
def purge_command(
    api: Api, as_json: bool, status: tuple[str, ...], dry_run: bool, yes: bool, **chosen: str | None
) -> None:
    """Delete finished jobs and the artifacts that only they list."""
    _mend(api, "purge", {"status": list(status), **chosen}, as_json, dry_run, yes)


def _mend(api: Api, verb: str, chosen: Document, as_json: bool, dry_run: bool, yes: bool) -> None:
    """Count first; then, if that is agreed to, do it, page by page."""
    chosen = {name: value for name, value in chosen.items() if value is not None}
    count = sum(page["count"] for page in _pages(api, verb, chosen | {"dry_run": True}))
    if dry_run or not count:
        words = f"would {verb} {count} job(s)" if count else "no such jobs"
        show({"count": count, "dry_run": dry_run}, as_json, lambda: words)
        return
    agree(f"{verb} {count} job(s)?", yes, harmless=verb == "retry")
    count = sum(page["count"] for page in _pages(api, verb, chosen))
    show({"count": count, "dry_run": False}, as_json, lambda: f"{verb}: {count} job(s)")


def _pages(api: Api, verb: str, body: Document) -> Iterator[Document]:
    page: Document = {"next_cursor": None}
    while True:
        page = api.post(f"/v1/jobs/{verb}", body | {"cursor": page["next_cursor"]})
        yield page
        if not page["more"]:
            return


def _all(api: Api, status: tuple[str, ...], model: str | None, since: str | None, most: int) -> Iterator[Document]:
    cursor = None
    while most > 0:
        page = api.get(
            "/v1/jobs",
            status=list(status) or None,
            model=model,
            since=since,
            limit=min(200, most),
            cursor=cursor,
        )
        yield from page["jobs"]
        most -= len(page["jobs"])
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _each(api: Api, job_ids: tuple[str, ...], verb: str, as_json: bool) -> None:
    """Do it to each; say of every one how it went; exit 1 if one was refused."""
    refused = 0
    for job_id in job_ids:
        try:
            job = api.post(f"/v1/jobs/{job_id}/{verb}")
            show(job, as_json, lambda job=job: f"{job['id']}  {job['status']}")  # type: ignore[misc]
        except Refused as fault:
            refused += 1
            click.echo(
                json.dumps({"id": job_id, "error": fault.message}) if as_json else f"{job_id}  {fault.message}"
            )
    if refused:
        raise Refused(f"{refused} of {len(job_ids)} refused")
