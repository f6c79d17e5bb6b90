"""One storm: a stack of its own, clients that submit, deeds that are done to it, and the count."""

import contextlib
from pathlib import Path

import psutil

from config.settings import read_settings
from tests.faults.clients import submitting
from tests.faults.counting import changed_since, count, settle
from tests.faults.deeds import Ravage, plan
from tests.faults.inspecting import inspect
from tests.faults.ledger import Ledger
from tests.faults.toll import Toll
from tests.servers import PostgresServer, wait_until
from tests.stacks import RunningStack, alive, running_stack

_LEASE_S = "4"  # shorter than some freezes


def rage(folder: Path, database: str, seed: int, seconds: float) -> Toll:
    """A storm over a new stack in that folder."""
    with contextlib.ExitStack() as closing:
        settings, server = {"SAFELIGHT_LEASE_S": _LEASE_S}, None
        if database == "postgresql":
            server = closing.enter_context(PostgresServer())
            settings["SAFELIGHT_DATABASE_URL"] = server.url
        stack = closing.enter_context(running_stack(folder / "data", "--workers", "2", **settings))
        ravage = Ravage(stack, server)
        with submitting(stack.url, seed) as ledger:
            ravage.do_all(plan(database, seed, seconds))
        toll = _tally(stack, ledger, ravage, database, seed)
        family = psutil.Process(stack.process.pid).children(recursive=True)
        stack.stop()
        wait_until(lambda: not any(alive(one) for one in family), "nothing is left of the stack")
        return toll


def _tally(stack: RunningStack, ledger: Ledger, ravage: Ravage, database: str, seed: int) -> Toll:
    drain_s = settle(stack.http)
    found = count(stack.http, ledger.ids)
    inside = inspect(read_settings(data_dir=stack.folder), stack.http)
    return Toll(
        database=database,
        seed=seed,
        jobs=len(ledger.ids),
        attempts=found.attempts,
        statuses=found.statuses,
        deeds=ravage.done,
        drain_s=drain_s,
        lost=found.lost,
        duplicated=[*found.duplicated, *(f"{key} was answered with two ids" for key in sorted(ledger.doubled))],
        stuck=found.stuck,
        broken=[*found.broken, *inside, *ledger.unexpected, *changed_since(stack.http, found)],
    )
