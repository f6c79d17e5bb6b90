"""Submits accepted a second, all guarantees on, beside a FastAPI POST that does nothing, in turn."""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.load import Load, post_many

_ROUNDS = 3
_SECONDS = 4.0
_CLIENTS = 64
_BODY = json.dumps({"model": "noop", "input": {"prompt": "a bench"}}).encode()
_SAFELIGHT = str(Path(sys.executable).with_name("safelight"))


def run() -> None:
    """Print the median of interleaved rounds."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "SAFELIGHT_DATA_DIR": folder,
            "SAFELIGHT_DIAGNOSTICS": "1",
            "SAFELIGHT_BROKER_URL": "redis://127.0.0.1:1/0",  # nobody there: doorbells are dropped
        }
        subprocess.run([_SAFELIGHT, "db", "upgrade"], env=environment, check=True, stdout=subprocess.DEVNULL)
        ours, nothing = _free_port(), _free_port()
        servers = [
            subprocess.Popen([_SAFELIGHT, "api", "--port", str(ours)], env=environment, stderr=subprocess.DEVNULL),
            subprocess.Popen([sys.executable, "-m", "bench.nothing", str(nothing)]),
        ]
        try:
            _compare(f"http://127.0.0.1:{ours}/v1/jobs", f"http://127.0.0.1:{nothing}/")
        finally:
            for server in servers:
                server.terminate()
                server.wait()


def _compare(ours: str, nothing: str) -> None:
    for url in (ours, nothing):
        _warm_up(url)
    rounds: list[tuple[Load, Load]] = []
    for _ in range(_ROUNDS):
        pair = tuple(post_many(url, _BODY, clients=_CLIENTS, seconds=_SECONDS) for url in (ours, nothing))
        rounds.append((pair[0], pair[1]))
    for name, index in (("safelight", 0), ("a FastAPI POST that does nothing", 1)):
        rate = statistics.median(pair[index].rate for pair in rounds)
        p99 = statistics.median(pair[index].p99_ms for pair in rounds)
        print(f"  {name:<34} {rate:8.0f}/s  p99 {p99:6.1f} ms")
    ratio = statistics.median(pair[0].rate / pair[1].rate for pair in rounds)
    print(f"  ratio {ratio:.2f} (median of {_ROUNDS} rounds, {_CLIENTS} clients on the same machine)")


def _warm_up(url: str) -> None:
    give_up_at = time.monotonic() + 60
    while True:
        try:
            post_many(url, _BODY, clients=4, seconds=0.5)
            return
        except OSError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
