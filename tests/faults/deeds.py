"""What is done to a stack in a storm. Which deeds, is drawn from a seed beforehand: a storm can be had again."""

import contextlib
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil
import redis

from config.settings import read_settings
from tests.servers import PostgresServer
from tests.stacks import RunningStack

BROKER = "valkey-server"
_PAUSE_S = (0.3, 2.0)

# weight, verb, what it is done to, for how many seconds
_DEEDS: tuple[tuple[float, str, str, tuple[float, float]], ...] = (
    (7, "kill", "worker", (0, 0)),
    (4, "kill", "api", (0, 0)),
    (3, "kill", "reaper", (0, 0)),
    (3, "kill", BROKER, (0, 0)),
    (1, "kill", "courier", (0, 0)),
    (1, "kill", "flower", (0, 0)),
    (3, "freeze", "worker", (0.5, 2.0)),
    (4, "freeze", "worker", (6.0, 9.0)),  # beyond its lease
    (2, "freeze", "api", (0.5, 2.0)),
    (2, "freeze", "reaper", (0.5, 6.0)),
    (1, "freeze", "flower", (0.5, 2.0)),
    (1, "freeze", BROKER, (0.5, 2.0)),
    (1, "freeze", BROKER, (8.0, 8.0)),
    (2, "wipe", BROKER, (0, 0)),
)
_TO_DATABASES = {
    "sqlite": (1.0, "lock", "sqlite", (0.5, 3.0)),
    "postgresql": (1.0, "restart", "postgresql", (0.5, 2.0)),
}


@dataclass(frozen=True, slots=True)
class Deed:
    """After a pause, something is done to a role for a while. `which` (0 to 1) picks one of its processes."""

    pause_s: float
    verb: str
    role: str
    which: float
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.verb} {self.role}"


def plan(database: str, seed: int, seconds: float) -> list[Deed]:
    """The deeds of a storm. In its middle the database always has its turn."""
    chance = random.Random(seed)
    its_own = _TO_DATABASES[database]
    kinds = [*_DEEDS, its_own]
    deeds: list[Deed] = []
    while (spent := sum(deed.pause_s for deed in deeds)) < seconds:
        middle = not any(deed.verb == its_own[1] for deed in deeds) and spent > seconds / 2
        (kind,) = [its_own] if middle else chance.choices(kinds, [kind[0] for kind in kinds])
        deeds.append(Deed(chance.uniform(*_PAUSE_S), *kind[1:3], chance.random(), chance.uniform(*kind[3])))
    return deeds


@dataclass
class Ravage:
    """Does deeds to a stack. Freezes overlap with what comes after them."""

    stack: RunningStack
    server: PostgresServer | None
    done: Counter[str] = field(default_factory=Counter)
    _thaws: list[threading.Timer] = field(default_factory=list)

    def do_all(self, deeds: Sequence[Deed]) -> None:
        """Do them one after the other; on return nothing is frozen any more."""
        try:
            for deed in deeds:
                time.sleep(deed.pause_s)
                with contextlib.suppress(psutil.NoSuchProcess, redis.RedisError, IndexError):
                    self._do(deed)
                    self.done[deed.name] += 1
        finally:
            for thaw in self._thaws:
                thaw.join()

    def _do(self, deed: Deed) -> None:
        if deed.verb == "restart":
            self._restart(deed.seconds)
        elif deed.verb == "lock":
            self._lock(deed.seconds)
        elif deed.verb == "wipe":
            self._wipe()
        elif deed.verb == "kill":
            self._victim(deed).kill()
        else:
            self._freeze(self._victim(deed), deed.seconds)

    def _victim(self, deed: Deed) -> psutil.Process:
        """Raises: IndexError when none of its role lives at this moment."""
        processes = sorted(self.stack.processes(deed.role), key=lambda process: process.cmdline())
        return processes[int(deed.which * len(processes))]

    def _freeze(self, victim: psutil.Process, seconds: float) -> None:
        victim.suspend()
        thaw = threading.Timer(seconds, _resume, (victim,))
        thaw.start()
        self._thaws.append(thaw)

    def _wipe(self) -> None:
        url = read_settings(data_dir=self.stack.folder).broker_url
        with redis.Redis.from_url(url, socket_timeout=2) as broker:
            broker.flushall()

    def _restart(self, seconds: float) -> None:
        assert self.server
        self.server.stop()
        time.sleep(seconds)
        self.server.start()

    def _lock(self, seconds: float) -> None:
        """Another writer holds SQLite's only write lock."""
        other = sqlite3.connect(self.stack.folder / "safelight.db", timeout=30, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        other.execute("ROLLBACK")
        other.close()


def _resume(victim: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        victim.resume()
