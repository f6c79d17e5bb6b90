"""Following one job, or one group, to its end, with a progress bar where there is somebody to see it."""

import sys
import time

from cli.client import Api, Document

_EVERY_S = 0.15
FINAL = ("succeeded", "partial", "failed", "canceled", "expired")


def follow(api: Api, job: Document, *, quiet: bool) -> Document:
    """Poll until the job, or the group, is final, and return it as it then stands."""
    if quiet:
        while job["status"] not in FINAL:
            job = api.get(job["urls"]["self"], wait=30)
        return job
    return _follow_with_bar(api, job) if sys.stderr.isatty() else _follow_in_lines(api, job)


def _follow_in_lines(api: Api, job: Document) -> Document:
    said = ""
    while True:
        line = f"{job['status']}{_steps(job)}"
        if line != said:
            print(said := line, file=sys.stderr, flush=True)
        if job["status"] in FINAL:
            return job
        time.sleep(_EVERY_S)
        job = api.get(job["urls"]["self"])


def _follow_with_bar(api: Api, job: Document) -> Document:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TextColumn("{task.fields[steps]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(job["status"], total=1.0, steps="")
        while True:
            bar.update(task, description=job["status"], completed=job["progress"], steps=_steps(job))
            if job["status"] in FINAL:
                return job
            time.sleep(_EVERY_S)
            job = api.get(job["urls"]["self"])


def _steps(job: Document) -> str:
    if "members" in job:
        over = sum(job["counts"][status] for status in ("succeeded", "failed", "canceled", "expired"))
        return f" {over}/{len(job['members'])} over"
    return f" step {job['step']}/{job['steps']}" if job["status"] == "running" else ""
