"""`safelight jobs`: look after jobs through the API."""

import json
from collections.abc import Iterator

import click

from cli.client import Api, Document, Refused
from cli.options import attempt_line, job_line, job_page, show, with_api
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


@jobs_command.command("retry")
@click.argument("job_ids", metavar="[ID...]", nargs=-1)
@click.option("--failed", is_flag=True, help="All failed jobs, instead of ids.")
@click.option("--model")
@click.option("--since", help="RFC 3339, or an age such as 1h.")
@click.option("--dry-run", is_flag=True, help="Only say which.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_api
def retry_command(
    api: Api,
    as_json: bool,
    job_ids: tuple[str, ...],
    failed: bool,
    model: str | None,
    since: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Queue failed, canceled or expired jobs again."""
    if bool(job_ids) == failed:
        raise click.UsageError("name ids, or --failed")
    if failed:
        chosen = list(_all(api, ("failed",), model, since, 100_000))
        if _only_listed(chosen, "retry", as_json, dry_run, yes):
            return
        job_ids = tuple(job["id"] for job in chosen)
    _each(api, job_ids, "retry", as_json)


@jobs_command.command("purge")
@click.option("--status", type=click.Choice(_STATUSES[2:]), multiple=True, default=("failed",), show_default=True)
@click.option("--model")
@click.option("--since", help="RFC 3339, or an age such as 1h.")
@click.option("--dry-run", is_flag=True, help="Only say which.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_api
def purge_command(
    api: Api,
    as_json: bool,
    status: tuple[str, ...],
    model: str | None,
    since: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Delete finished jobs and the artifacts that only they list."""
    chosen = list(_all(api, status, model, since, 100_000))
    if _only_listed(chosen, "delete", as_json, dry_run, yes):
        return
    for job in chosen:
        api.delete(f"/v1/jobs/{job['id']}")
    show({"deleted": len(chosen)}, as_json, lambda: f"deleted {len(chosen)} job(s)")


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


def _only_listed(chosen: list[Document], verb: str, as_json: bool, dry_run: bool, yes: bool) -> bool:
    """Is that all: a dry run, nothing to do, or nobody agreed?"""
    if dry_run or not chosen:
        show({"jobs": chosen}, as_json, lambda: "\n".join(map(job_line, chosen)) or "no such jobs")
        return True
    if not yes:
        click.confirm(f"{verb} {len(chosen)} job(s)?", abort=True, err=True)
    return False


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
