"""Following one job to its end, with a progress bar where there is somebody to see it."""

import sys
import time

from cli.client import Api, Document

_EVERY_S = 0.15
FINAL = ("succeeded", "failed", "canceled", "expired")


def follow(api: Api, job: Document, *, quiet: bool) -> Document:
    """Poll until the job is final, and return it as it then stands."""
    if quiet or not sys.stderr.isatty():
        while job["status"] not in FINAL:
            job = api.get(f"/v1/jobs/{job['id']}", wait=30)
        return job
    return _follow_with_bar(api, job)


def _follow_with_bar(api: Api, job: Document) -> Document:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[steps]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(job["status"], total=1.0, steps="")
        while True:
            steps = f"step {job['step']}/{job['steps']}" if job["status"] == "running" else ""
            bar.update(task, description=f"{job['status']:<9}", completed=job["progress"], steps=steps)
            if job["status"] in FINAL:
                return job
            time.sleep(_EVERY_S)
            job = api.get(f"/v1/jobs/{job['id']}")
