"""SQLite has one write lock, and a process that is frozen while it holds it stops everybody. PostgreSQL ends such a
transaction by itself (`idle_in_transaction_session_timeout`). Here the supervisor ends the process: the lock is free,
the role starts again, and what it held is recovered as after any other death."""

import sqlite3
import sys
import time
from collections.abc import Iterable

import psutil

from cli.crew import Role

_SQLITE = "sqlite:///"
_LOOK_EVERY_S = 1.0
_PATIENCE_S = 5.0  # a process that wakes sooner has only kept the others waiting
_PROBE_S = 0.5


class FrozenWriters:
    """Looks now and then; whoever is frozen without holding the lock is left alone."""

    def __init__(self, database: str) -> None:
        self._file = database.removeprefix(_SQLITE).partition("?")[0] if database.startswith(_SQLITE) else None
        self._frozen_since: dict[int, float] = {}
        self._look_at = 0.0

    def end(self, roles: Iterable[Role]) -> None:
        """Kill those of the roles that have been frozen for long while nobody could write."""
        now = time.monotonic()
        if self._file is None or now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY_S
        frozen = {role.process.pid: role for role in roles if role.process and _is_frozen(role.process.pid)}
        self._frozen_since = {pid: self._frozen_since.get(pid, now) for pid in frozen}
        for pid, role in frozen.items():
            if now - self._frozen_since[pid] > _PATIENCE_S and role.process and _is_locked(self._file):
                print(
                    f"safelight: {role.name} is frozen and holds the database: ending it", file=sys.stderr, flush=True
                )
                role.process.kill()
                role.process.wait()  # the next one may hold nothing


def _is_frozen(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False


def _is_locked(file: str) -> bool:
    connection = sqlite3.connect(file, timeout=_PROBE_S, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return True
    finally:
        connection.close()
    return False
