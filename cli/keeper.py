"""Keeping roles alive: each is a process of its own, one that ends is started again, all are stopped in time."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO

from cli.crew import RESTART_FIRST_S, Role, die_with_parent
from cli.leases import Leases

_RESTART_MOST_S = 3.0
_STEADY_S = 10.0  # a role that lived this long starts afresh with the shortest pause


class Keeper:
    """`environment` is asked at each start. What the roles say goes to `log`, or where our own words go."""

    def __init__(
        self, environment: Callable[[], Mapping[str, str]], log: IO[bytes] | None = None, leases: Leases | None = None
    ) -> None:
        self._environment = environment
        self._log = log
        self._leases = leases

    def start(self, role: Role) -> None:
        command = list(role.command)
        if role.holds_leases and self._leases:
            role.name_in_leases = self._leases.new_name(role.name)
            command += ["--name", role.name_in_leases]
        role.process = subprocess.Popen(
            command,
            env=os.environ | dict(self._environment()) | role.environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C reaches only us: the order of stopping is ours
            preexec_fn=die_with_parent,
        )
        role.started_at = time.monotonic()

    def revive(self, roles: Iterable[Role]) -> None:
        """Start again what has ended, after a pause that grows with each quick death."""
        now = time.monotonic()
        for role in roles:
            if role.process is None:
                if role.restart_at and now >= role.restart_at:
                    self.start(role)
            elif (code := role.process.poll()) is not None:
                role.pause_s = (
                    RESTART_FIRST_S if now - role.started_at > _STEADY_S else min(_RESTART_MOST_S, role.pause_s * 2)
                )
                role.process, role.restart_at = None, now + role.pause_s
                if role.holds_leases and self._leases:
                    self._leases.free(role.name_in_leases)
                print(f"safelight: {role.name} ended with {code}: starting it again", file=sys.stderr, flush=True)

    def stop(self, roles: Sequence[Role], give_up_at: float) -> None:
        """Tell them all, then wait for each; who is late is killed."""
        running = [role.process for role in roles if role.process and role.process.poll() is None]
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(max(0.2, give_up_at - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
