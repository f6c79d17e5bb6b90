"""Jobs without work through one worker process. The queue is filled while the worker is held still."""

import time

from bench.contestants import OWN_BYTES, STORING, Recipe, Safelight, safelight_and_recipes
from bench.load import post_times
from bench.processes import Measured
from bench.results import OURS, Plan, Results, interleave

_JOBS = {OURS: 3_000, STORING: 600, "naive": 300, "tuned": 600}  # what takes about two seconds
_BATCH = 64


def run(plan: Plan, results: Results) -> None:
    """Each database."""
    for kind in plan.databases:
        with safelight_and_recipes(kind, batch=_BATCH) as contestants:
            workers = {who: one.start_worker() for who, one in contestants.items()}
            for one in contestants.values():
                post_times(one.url, one.body, clients=1, times=20)
                one.until_drained()
            contestants[STORING], workers[STORING] = contestants[OURS], workers[OURS]
            _compare(plan, results, kind, contestants, workers)


def _compare(
    plan: Plan,
    results: Results,
    kind: str,
    contestants: dict[str, Safelight | Recipe],
    workers: dict[str, Measured],
) -> None:
    def drain(who: str) -> None:
        one, worker = contestants[who], workers[who]
        body = OWN_BYTES if who == STORING else one.body
        with worker.held_still():
            load = post_times(one.url, body, clients=16, times=_JOBS[who] // (3 if plan.quick else 1))
            cpu_s, started = worker.cpu_s(), time.perf_counter()
        one.until_drained()
        rate = load.accepted / (time.perf_counter() - started)
        cpu_ms = (worker.cpu_s() - cpu_s) * 1000 / load.accepted
        results.add("drain", kind, "one worker", who, rate=rate, cpu_ms=cpu_ms)

    interleave(plan.rounds, {who: (lambda who=who: drain(who)) for who in contestants})
