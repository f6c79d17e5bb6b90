"""How long a job stands still when its worker is killed under `safelight up`: from kill -9 to the next claim. Alone,
the worker must come back first; a second one takes the job as soon as it is freed."""

import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path

from tests.servers import wait_until
from tests.stacks import RunningStack, running_stack

_ROUNDS = 7


def run() -> None:
    """Print the median and the worst."""
    for workers in (1, 2):
        with (
            tempfile.TemporaryDirectory() as folder,
            running_stack(Path(folder) / "data", "--workers", str(workers)) as stack,
        ):
            stood_still = [_kill_and_measure(stack, workers) for _ in range(_ROUNDS)]
        median, worst = statistics.median(stood_still), max(stood_still)
        print(f"  kill -9 to next claim, {workers} worker(s): median {median:.2f} s, worst {worst:.2f} s")


def _kill_and_measure(stack: RunningStack, workers: int) -> float:
    wait_until(lambda: stack.http.get("/v1/stats").json()["workers"] == workers, "all workers are there")
    stack.finished(stack.submit()["id"])
    job = stack.submit(duration_s=2.0, steps=20)
    stack.until_running(job["id"])
    name = _attempts(stack, job["id"])[-1]["worker"]
    (holder,) = [process for process in stack.processes("worker") if name in process.cmdline()]
    killed_at = time.time()
    holder.kill()
    done = stack.finished(job["id"])
    assert (done["status"], done["attempt"]) == ("succeeded", 2), done
    time.sleep(11)  # so that the supervisor takes the next death for a new one, not for a crash loop
    return datetime.fromisoformat(done["started_at"]).timestamp() - killed_at


def _attempts(stack: RunningStack, job_id: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = stack.http.get(f"/v1/jobs/{job_id}/attempts").json()["attempts"]
    return found
