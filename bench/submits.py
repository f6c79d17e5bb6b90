"""Submits accepted a second, and how long each took: with a real broker, and no worker to share the machine with."""

import contextlib
import sys

from bench.contestants import Contestant, Nothing, running, safelight_and_recipes
from bench.load import post_for
from bench.results import Plan, Results, interleave

_CLIENTS, _QUICK_CLIENTS = (1, 16, 64, 256), (1, 64)
_SHARING = 64  # clients, and an API that has to share one core with whoever makes the load
_SECONDS = 1.2


def run(plan: Plan, results: Results) -> None:
    """Each number of clients, each database."""
    for kind in plan.databases:
        with safelight_and_recipes(kind) as three, running(Nothing()) as nothing:
            contestants: dict[str, Contestant] = {**three, "FastAPI no-op": nothing}
            for one in contestants.values():
                post_for(one.url, one.body, clients=16, seconds=0.5)
            for clients in _QUICK_CLIENTS if plan.quick else _CLIENTS:
                _compare(plan, results, kind, contestants, clients)
            if sys.platform == "linux":
                _compare(plan, results, kind, contestants, _SHARING, one_core=True)


def _compare(
    plan: Plan,
    results: Results,
    kind: str,
    contestants: dict[str, Contestant],
    clients: int,
    *,
    one_core: bool = False,
) -> None:
    def measure(who: str, one: Contestant) -> None:
        before = one.api.cpu_s()
        with one.api.on_our_core() if one_core else contextlib.nullcontext():
            load = post_for(one.url, one.body, clients=clients, seconds=_SECONDS)
        cpu_ms = (one.api.cpu_s() - before) * 1000 / load.accepted
        figures = {"rate": load.rate, "p50_ms": load.p50_ms, "p99_ms": load.p99_ms, "cpu_ms": cpu_ms}
        case = _case(clients) + (", one core" if one_core else "")
        results.add("submits", kind, case, who, **figures, refused=load.refused)

    turns = {who: (lambda who=who, one=one: measure(who, one)) for who, one in contestants.items()}
    interleave(plan.rounds, turns)


def _case(clients: int) -> str:
    return f"{clients} client{'s' if clients > 1 else ''}"
