"""`safelight up`: the embedded stack. Starts every role as a process of its own, restarts what dies, stops
all in order, leaves no orphan. One thread, no magic: this module is the supervisor, cli.keeper its hands."""

import contextlib
import fcntl
import json
import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError
from urllib.request import urlopen

from cli.crew import Role, api_roles, broker_role, plain_role, safelight_command, worker_role
from cli.frozen import FrozenWriters
from cli.keeper import Keeper
from cli.leases import Leases
from cli.ports import Ports, StackError
from config.settings import STACK_FILE, Settings

_POLL_S = 0.1
_START_PATIENCE_S = 90.0
_STOP_PATIENCE_S = 7.0  # then SIGKILL: all must be gone within ten seconds


class Stack:
    """The processes of one `safelight up`."""

    def __init__(
        self,
        settings: Settings,
        *,
        name: str,
        host: str,
        ports: Ports,
        workers: int,
        api_workers: int,
        log: IO[bytes],
    ) -> None:
        self.settings = settings
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{ports.api}"
        self.flower_url = f"http://127.0.0.1:{ports.flower}"
        self._log = log
        self._stopping = False
        embedded = "broker_url" not in settings.model_fields_set
        self._broker_url = f"redis://127.0.0.1:{ports.broker}/0" if embedded else settings.broker_url
        self._leases = Leases(settings.model_copy(update={"broker_url": self._broker_url}), name)
        self._keeper = Keeper(self._environment, log, self._leases)
        self._frozen = FrozenWriters(settings.database)
        self._broker = broker_role(settings.data_dir, ports.broker) if embedded else None
        self._roles = [
            *api_roles(host, ports.api, api_workers),
            plain_role("reaper", 1),
            plain_role("courier", 1),
            *(worker_role(number, workers, settings) for number in range(workers)),
            plain_role("flower", 1, "--port", str(ports.flower)),
        ]

    def run(self, on_ready: Callable[[], None]) -> None:
        """Start, report readiness, watch until SIGTERM or SIGINT, stop.

        Raises:
            StackError: something could not be started; everything else is stopped again.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        try:
            self._start_all(on_ready)
            while not self._stopping:
                self._frozen.end(self._everything())
                self._keeper.revive(self._everything())
                time.sleep(_POLL_S)
        finally:
            self._stop_all()
            (self.settings.data_dir / STACK_FILE).unlink(missing_ok=True)

    def _start_all(self, on_ready: Callable[[], None]) -> None:
        if self._broker:
            self._keeper.start(self._broker)
        self._wait("the broker", lambda: _answers_ping(self._broker_url))
        self._migrate()
        self._leases.start()
        self._describe()
        for role in self._roles:
            self._keeper.start(role)
        self._wait("the API and a worker", lambda: _is_ready(self.url))
        if not self._stopping:
            on_ready()

    def _migrate(self) -> None:
        done = subprocess.run(
            safelight_command("db", "upgrade"),
            env=os.environ | self._environment(),
            stdout=self._log,
            stderr=subprocess.PIPE,
        )
        if done.returncode:
            raise StackError(f"the database could not be migrated: {done.stderr.decode().strip()}")

    def _describe(self) -> None:
        """Leave word for other `safelight` commands on this data folder."""
        known = {
            "url": self.url,
            "flower_url": self.flower_url,
            "database_url": self.settings.database,
            "broker_url": self._broker_url,
            "artifacts_url": self.settings.artifacts_folder.as_uri(),
            "diagnostics": self.settings.diagnostics,
            "models": self.settings.models,
            "pid": os.getpid(),
        }
        file = self.settings.data_dir / STACK_FILE
        part = file.with_suffix(".part")
        part.write_text(json.dumps(known))
        part.replace(file)

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        give_up_at = time.monotonic() + _START_PATIENCE_S
        while not self._stopping and not ready():
            if time.monotonic() > give_up_at:
                raise StackError(f"{what} did not come up within {_START_PATIENCE_S:.0f} s; see the log")
            self._keeper.revive(self._everything())
            time.sleep(_POLL_S)

    def _everything(self) -> Iterator[Role]:
        if self._broker:
            yield self._broker
        yield from self._roles

    def _environment(self) -> dict[str, str]:
        return {
            "SAFELIGHT_DATA_DIR": str(self.settings.data_dir),
            "SAFELIGHT_DATABASE_URL": self.settings.database,
            "SAFELIGHT_BROKER_URL": self._broker_url,
            "SAFELIGHT_FLOWER_URL": self.settings.flower_url or self.flower_url,
            "PYTHONUNBUFFERED": "1",
        }

    def _stop_all(self) -> None:
        give_up_at = time.monotonic() + _STOP_PATIENCE_S
        broker = [self._broker] if self._broker else []
        for stage in (0, 1, 2):
            self._keeper.stop([role for role in self._roles if role.stage == stage], give_up_at)
        self._keeper.stop(broker, give_up_at + 1.0)

    def _on_signal(self, *_: object) -> None:
        self._stopping = True


@contextlib.contextmanager
def only_stack_in(folder: Path) -> Iterator[str]:
    """Hold the folder: two stacks on one SQLite file would free each other's leases. Gives the stack's name, the
    same at each start in this folder.

    Raises:
        StackError: another `safelight up` runs on it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "stack.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            raise StackError(f"another `safelight up` runs on {folder}") from fault
        yield _name_in(file)


def _name_in(file: IO[str]) -> str:
    file.seek(0)
    name = file.read().strip()
    if not re.fullmatch("[0-9a-f]{6}", name):
        name = secrets.token_hex(3)
        file.truncate(0)
        file.write(name)
        file.flush()
    return name


def _answers_ping(url: str) -> bool:
    from storage.bus import BROKER_FAULTS, connect

    try:
        return bool(connect(url, timeout_s=0.5).ping())
    except BROKER_FAULTS:
        return False


def _is_ready(url: str) -> bool:
    """Can a job be served? The API answers, hears the broker, and has heard of a worker."""
    try:
        with urlopen(f"{url}/readyz", timeout=1.0) as answer:
            parts: dict[str, Any] = json.load(answer)["parts"]
    except (URLError, OSError, ValueError):
        return False
    return all(parts[part]["status"] == "ok" for part in ("database", "broker", "workers"))
