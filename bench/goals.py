"""The goals that were set, and how what was measured stands to them."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.charts import show
from bench.results import OURS, Key, Results, Spread


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on a figure of `who`, or on its ratio to another's: at least, or at most."""

    what: str
    bench: str
    case: str
    figure: str
    bound: float
    least: bool
    against: str = ""
    who: str = OURS


@dataclass(frozen=True, slots=True)
class Judged:
    """A goal on one database, and what was found."""

    what: str
    goal: str
    found: str
    verdict: str


_MILLION = "1,000,000 rows"

GOALS = (
    Goal("submits/s, 64 clients ÷ naive", "submits", "64 clients", "rate", 15, True, "naive"),
    Goal("submits/s, 64 clients ÷ tuned", "submits", "64 clients", "rate", 7, True, "tuned"),
    Goal("submits/s, 64 clients ÷ no-op", "submits", "64 clients", "rate", 0.7, True, "FastAPI no-op"),
    Goal(
        "submits/s, 64 clients on its core ÷ no-op",
        "submits",
        "64 clients, one core",
        "rate",
        0.7,
        True,
        "FastAPI no-op",
    ),
    Goal("CPU of a submit, 64 clients ÷ no-op", "submits", "64 clients", "cpu_ms", 1.43, False, "FastAPI no-op"),
    Goal("p99 of submits, 64 clients ÷ naive", "submits", "64 clients", "p99_ms", 0.1, False, "naive"),
    Goal("jobs without work/s ÷ naive", "drain", "one worker", "rate", 5, True, "naive"),
    Goal("CPU of a job without work ÷ naive", "drain", "one worker", "cpu_ms", 0.2, False, "naive"),
    Goal("POST to done seen ÷ naive", "latency", "unloaded", "p50_ms", 0.6, False, "naive"),
    Goal("POST to done seen ÷ naive, polled", "latency", "unloaded", "p50_ms", 0.6, False, "naive, polled"),
    Goal("pictures/s ÷ the same bare", "pictures", "scenes, 8 steps", "rate", 0.97, True, "bare loop, batch 8"),
    Goal("pictures/s ÷ one by one, bare", "pictures", "scenes, 8 steps", "rate", 1.3, True, "bare loop, batch 1"),
    Goal("submits/s, 1,000,000 ÷ 10 rows", "rows", "the job store alone", "submits", 0.9, True, "10 rows", _MILLION),
    Goal("claims/s, 1,000,000 ÷ 10 rows", "rows", "the job store alone", "claims", 0.9, True, "10 rows", _MILLION),
    Goal("API imported, CPU s", "startup", "API imported", "cpu_s", 1.0, False),
    Goal("API at start, RSS MB", "startup", "API answers", "rss_mb", 120, False),
    Goal("worker with its first picture, CPU s", "startup", "worker, first picture", "cpu_s", 8, False),
)


def judge(results: Results, bench: str = "") -> Iterator[Judged]:
    """Each goal of the bench, or of all, on each database on which it was measured."""
    for goal in GOALS:
        if bench in ("", goal.bench):
            for key in results.keys(goal.bench):
                found = _found(results, goal, key)
                if key[2:] == (goal.case, goal.who) and found:
                    yield _judged(goal, key[1], found)


def _found(results: Results, goal: Goal, key: Key) -> Spread | None:
    return results.ratio(key, goal.figure, goal.against) if goal.against else results.spread(key, goal.figure)


def _judged(goal: Goal, database: str, found: Spread) -> Judged:
    met = found.median >= goal.bound if goal.least else found.median <= goal.bound
    told = f"{show(found.median)} ({show(found.least)}–{show(found.most)})"
    bound = f"{'≥' if goal.least else '≤'} {goal.bound:g}"
    return Judged(f"{goal.what}, {database}", bound, told, "met" if met else "not met")
