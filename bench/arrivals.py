"""How true forecasts are: mixed jobs, and for each the first `eta_s` it was told, beside the time it took."""

import json
import random
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path

from tests.stacks import FINAL, RunningStack, running_stack

_JOBS = 60
_BEFORE = 40  # jobs that the service has done before, by which it knows itself


def run() -> None:
    """Print the share of jobs whose forecast was within a factor of two."""
    for name in ("noop", "scenes"):
        with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder) / "data") as stack:
            _measure(stack, name)


def _measure(stack: RunningStack, model: str) -> None:
    chance = random.Random(4)
    for job_id in [_submit(stack, model, chance) for _ in range(_BEFORE)]:
        stack.finished(job_id)
    time.sleep(1.5)  # the worker tells its pace every second
    told: dict[str, tuple[float, float]] = {}
    ids = [_submit(stack, model, chance) for _ in range(_JOBS)]
    truth: list[float] = []
    for job_id in ids:
        eta_s = stack.get(job_id)["eta_s"]
        if eta_s is not None:
            told[job_id] = (eta_s, time.time())
    ratios = []
    for job_id, (eta_s, asked_at) in told.items():
        done = stack.finished(job_id)
        assert done["status"] in FINAL
        truth.append(done["timings"]["total_s"])
        took = _moment(done["finished_at"]) - asked_at
        ratios.append(eta_s / max(took, 0.001))
    good = sum(0.5 <= ratio <= 2.0 for ratio in ratios)
    print(
        f"  {model}: {len(ratios)} of {_JOBS} jobs had a forecast, {good / len(ratios):.0%} within a factor of two, "
        f"median ratio {statistics.median(ratios):.2f}; waits up to {max(truth):.1f} s"
    )


def _submit(stack: RunningStack, model: str, chance: random.Random) -> str:
    given: dict[str, object] = {"prompt": "a boat on the sea at dusk"}
    if model == "noop":
        given |= {"duration_s": chance.choice((0.0, 0.1, 0.3, 0.6))}
    else:
        given |= {"steps": chance.choice((4, 8, 16)), "width": chance.choice((128, 256))}
    answer = stack.http.post("/v1/jobs", content=json.dumps({"model": model, "input": given}))
    job_id: str = answer.json()["id"]
    return job_id


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
