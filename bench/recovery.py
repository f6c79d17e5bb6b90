"""How long a job stands still when its worker is killed under `safelight up`: from kill -9 to the next claim."""

import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path

from tests.stacks import running_stack

_ROUNDS = 7


def run() -> None:
    """Print the median and the worst."""
    stood_still = []
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder) / "data") as stack:
        for _ in range(_ROUNDS):
            stack.finished(stack.submit()["id"])
            job = stack.submit(duration_s=2.0, steps=20)
            stack.until_running(job["id"])
            killed_at = time.time()
            stack.kill("worker")
            done = stack.finished(job["id"])
            assert (done["status"], done["attempt"]) == ("succeeded", 2), done
            stood_still.append(datetime.fromisoformat(done["started_at"]).timestamp() - killed_at)
            time.sleep(11)  # so that the supervisor takes the next death for a new one, not for a crash loop
    print(f"  kill -9 to next claim: median {statistics.median(stood_still):.2f} s, worst {max(stood_still):.2f} s")
