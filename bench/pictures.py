"""Pictures a second through a saturated service with one worker, beside a bare diffusers loop: with the same batches,
and with others, which is the ground of the model's batch rule."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.contestants import SQLITE, Safelight, place, running
from bench.load import post_times
from bench.processes import Measured
from bench.recipes.bare import PROMPT
from bench.results import OURS, Plan, Results, interleave
from models.catalog import read_catalog

_PICTURES = 32
_BATCHES = (1, 2, 4, 8)
_CASE = "scenes, 8 steps"


def run(plan: Plan, results: Results) -> None:
    """On SQLite: no database is near its limit here."""
    entry = read_catalog().find("scenes")
    batches = sorted({*_BATCHES, entry.batch.max})
    pictures = max(entry.batch.max, _PICTURES // (2 if plan.quick else 1))
    with place(None) as where, running(Safelight(*where)) as ours, _bare_loop(str(entry.weights_folder)) as bare:
        worker = ours.start_worker()
        ours.body = json.dumps({"model": "scenes", "input": {"prompt": PROMPT}}).encode()
        post_times(ours.url, ours.body, clients=1, times=1)  # loads the model
        ours.until_drained()

        def through_the_service() -> None:
            rate = pictures / _drain(ours, worker, pictures)
            results.add("pictures", SQLITE, _CASE, OURS, rate=rate)

        def alone(batch: int) -> None:
            count = max(2, 8 // batch)
            took = sum(_draw(bare, batch) for _ in range(count))
            results.add("pictures", SQLITE, _CASE, f"bare loop, batch {batch}", rate=count * batch / took)

        turns = {f"bare {batch}": (lambda batch=batch: alone(batch)) for batch in batches}
        interleave(plan.rounds, {OURS: through_the_service, **turns})


def _drain(ours: Safelight, worker: Measured, pictures: int) -> float:
    with worker.held_still():
        post_times(ours.url, ours.body, clients=1, times=pictures)
        started = time.perf_counter()
    ours.until_drained()
    return time.perf_counter() - started


@contextlib.contextmanager
def _bare_loop(folder: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "bench.recipes.bare", folder]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as bare:
        assert bare.stdout
        try:
            while bare.stdout.readline() != "ready\n":
                assert bare.poll() is None, "the bare loop could not load the model"
            yield bare
        finally:
            bare.terminate()


def _draw(bare: "subprocess.Popen[str]", batch: int) -> float:
    assert bare.stdin
    assert bare.stdout
    bare.stdin.write(f"{batch}\n")
    bare.stdin.flush()
    return float(bare.stdout.readline())
