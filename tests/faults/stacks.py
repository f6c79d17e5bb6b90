"""What tests of faults ask of a running stack, and do to it."""

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import redis

from config.settings import STACK_FILE
from tests.stacks import RunningStack

BODY = {"model": "noop", "input": {"prompt": "x"}}
SHELF = Path(__file__).resolve().parents[2] / "models" / "shelf"


def serves(stack: RunningStack) -> bool:
    """Every part is there."""
    try:
        return bool(stack.http.get("/readyz").json()["status"] == "ok")
    except (httpx.HTTPError, ValueError):
        return False


def attempts_of(stack: RunningStack, job_id: str) -> list[dict[str, Any]]:
    attempts: list[dict[str, Any]] = stack.http.get(f"/v1/jobs/{job_id}/attempts").json()["attempts"]
    return attempts


def holder_of(stack: RunningStack, job_id: str) -> psutil.Process:
    """The process of the worker that runs this job."""
    name = attempts_of(stack, job_id)[-1]["worker"]
    (found,) = [process for process in stack.processes("worker") if name in process.cmdline()]
    return found


@contextmanager
def frozen(process: psutil.Process) -> Iterator[None]:
    """SIGSTOP, then SIGCONT, unless the supervisor ended it meanwhile."""
    process.suspend()
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            process.resume()


@contextmanager
def broker_of(stack: RunningStack) -> Iterator["redis.Redis"]:
    """A client of the stack's own broker."""
    url = json.loads((stack.folder / STACK_FILE).read_text())["broker_url"]
    with redis.Redis.from_url(url) as client:
        yield client


def usual_submit_s(stack: RunningStack, times: int = 15) -> tuple[float, list[str]]:
    """The median of how long a submit takes, and the ids of the jobs."""
    taken, ids = [], []
    for _ in range(times):
        started = time.monotonic()
        ids.append(stack.submit()["id"])
        taken.append(time.monotonic() - started)
    return statistics.median(taken), ids


def batching_catalog(folder: Path, *, most: int = 4) -> Path:
    """A catalog folder with a `noop` that batches, and is taken to hang sooner, in place of the shipped one."""
    folder.mkdir()
    text = (SHELF / "noop.toml").read_text()
    text = text.replace("max = 1\n", f"max = {most}\n").replace("step_timeout_s = 20.0", "step_timeout_s = 6.0")
    (folder / "noop.toml").write_text(text)
    return folder
