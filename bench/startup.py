"""What starting costs: processor seconds and memory of an API that answers, and of a worker that has drawn its first
picture; processor seconds do not depend on what else the machine does."""

import resource
import subprocess
import sys
from collections.abc import Callable, Sequence

from bench.contestants import SQLITE, Recipe, Safelight, place, running
from bench.load import post_times
from bench.results import OURS, Plan, Results, interleave

_PICTURE = b'{"model": "scenes", "input": {"prompt": "a sea", "steps": 1, "width": 64, "height": 64}}'


def run(plan: Plan, results: Results) -> None:
    """On SQLite: a database has no part in it."""

    def start(who: str) -> None:
        with place(None) as where, running(Safelight(*where) if who == OURS else Recipe(who, *where)) as one:
            results.add("startup", SQLITE, "API answers", who, cpu_s=one.api.cpu_s(), rss_mb=one.api.rss_mb())

    def import_api(who: str, *statements: str) -> None:
        environment = {"RECIPE_DATABASE_URL": "sqlite://", "RECIPE_BROKER_URL": "redis://127.0.0.1:1/0"}
        results.add("startup", SQLITE, "API imported", who, cpu_s=_cpu_of(statements, environment))

    def warm(who: str) -> None:
        with place(None) as where, running(Safelight(*where)) as one:
            worker = one.start_worker()
            one.body = _PICTURE
            post_times(one.url, one.body, clients=1, times=1)
            one.until_drained()
            results.add("startup", SQLITE, "worker, first picture", who, cpu_s=worker.cpu_s(), rss_mb=worker.rss_mb())

    turns: dict[str, Callable[[], None]] = {
        "import": lambda: import_api(OURS, "from cli.roles import importing", "with importing(): import api.process"),
        "import naive": lambda: import_api("naive", "import uvicorn, bench.recipes.naive"),
        "api": lambda: start(OURS),
        "naive": lambda: start("naive"),
        "worker": lambda: warm(OURS),
    }
    interleave(min(plan.rounds, 3), turns)


def _cpu_of(statements: Sequence[str], environment: dict[str, str]) -> float:
    """Of a Python that does these and ends."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "\n".join(statements)], env={"PYTHONPATH": ".", **environment}, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
