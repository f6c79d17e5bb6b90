"""Processes that are measured: started, waited for, held still while their queue is filled, ended."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

import psutil

from cli.crew import die_with_parent
from tests.servers import wait_until

_STOP_S = 15.0
_IDLE_S = 0.1  # who takes no processor time for so long waits for work


class Measured:
    """A process with its children, and the processor time they took."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `stop`)
        self._process = subprocess.Popen(
            command,
            env=os.environ | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=self._words,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,
        )
        self._root = psutil.Process(self._process.pid)

    def until_listening(self, port: int) -> None:
        wait_until(lambda: self._lives() and self._listens(port), f"port {port} listens")

    def family(self) -> list[psutil.Process]:
        return [self._root, *self._root.children(recursive=True)]

    def cpu_s(self) -> float:
        """Processor seconds so far, user and system."""
        return sum(cpu_of(one) for one in self.family())

    def rss_mb(self) -> float:
        return float(sum(one.memory_info().rss for one in self.family())) / 1e6

    @contextlib.contextmanager
    def held_still(self) -> Iterator[None]:
        """It does nothing meanwhile, and goes on afterwards. First it comes to rest: within a transaction it
        would lock everybody else out."""
        self._until_idle()
        members = self.family()
        for one in members:
            one.suspend()
        try:
            yield
        finally:
            for one in members:
                one.resume()

    def _until_idle(self) -> None:
        before = -1.0
        while (now := self.cpu_s()) > before:
            before = now
            time.sleep(_IDLE_S)

    @contextlib.contextmanager
    def on_our_core(self) -> Iterator[None]:
        """Meanwhile it has to share one core with us who ask. Linux only."""
        everywhere = os.sched_getaffinity(0)
        self._keep_to({min(everywhere)})
        try:
            yield
        finally:
            self._keep_to(everywhere)

    def _keep_to(self, cores: set[int]) -> None:
        for thread in [0, *(thread.id for one in self.family() for thread in one.threads())]:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread, cores)

    def stop(self) -> None:
        members = self.family() if self._process.poll() is None else []
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)
        for one in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self._process.wait()
        self._words.close()

    def _lives(self) -> bool:
        if self._process.poll() is None:
            return True
        self._words.seek(0)
        sys.stderr.write(self._words.read().decode(errors="replace"))
        raise RuntimeError(f"{self._process.args!r} ended with {self._process.returncode}")

    def _listens(self, port: int) -> bool:
        return any(one.laddr.port == port for one in self._root.net_connections("tcp"))


def cpu_of(process: psutil.Process) -> float:
    """Processor seconds of one process, user and system."""
    times = process.cpu_times()
    return float(times.user + times.system)
