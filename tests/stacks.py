"""`safelight up` as a user starts it, for tests that look from outside."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.servers import wait_until

SAFELIGHT = str(Path(sys.executable).with_name("safelight"))
FINAL = {"succeeded", "failed", "canceled", "expired"}


class RunningStack:
    """A started stack: its URL, an HTTP client, and its processes by role."""

    def __init__(self, process: subprocess.Popen[str], url: str, folder: Path) -> None:
        self.process = process
        self.url = url
        self.folder = folder
        self.http = httpx.Client(base_url=url, timeout=70)

    def submit(self, model: str = "noop", headers: dict[str, str] | None = None, **given: Any) -> dict[str, Any]:
        """Done anew, whatever was done before, unless the headers say otherwise."""
        body = {"model": model, "input": {"prompt": "a test", **given}}
        answer = self.http.post("/v1/jobs", json=body, headers={"Cache-Control": "no-cache", **(headers or {})})
        assert answer.status_code in (200, 202), answer.text
        return answer.json()

    def get(self, job_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def finished(self, job_id: str, seconds: float = 90.0) -> dict[str, Any]:
        """The job once it is final."""
        give_up_at = time.monotonic() + seconds
        while True:
            job = self.http.get(f"/v1/jobs/{job_id}", params={"wait": 10}).json()
            if job["status"] in FINAL:
                return job
            assert time.monotonic() < give_up_at, f"not final after {seconds:.0f} s: {job}"

    def until_running(self, job_id: str) -> dict[str, Any]:
        wait_until(lambda: self.get(job_id)["status"] == "running", f"{job_id} runs")
        return self.get(job_id)

    def processes(self, role: str) -> list[psutil.Process]:
        """The stack's processes of a role: `worker`, `api`, … or `valkey-server`."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if _plays(child, role)]

    def kill(self, role: str) -> None:
        for process in self.processes(role):
            process.kill()

    def stop(self) -> int:
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextlib.contextmanager
def running_stack(folder: Path, *arguments: str, **environment: str) -> Iterator[RunningStack]:
    """Start a stack on free ports; stop it at the end, whatever happened."""
    command = [SAFELIGHT, "up", "--port", "0", "--data-dir", str(folder), *arguments]
    with (folder.parent / f"{folder.name}.err").open("a") as complaints:
        process = subprocess.Popen(
            command,
            env=os.environ | {"SAFELIGHT_DIAGNOSTICS": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            cwd=folder.parent,
        )
    assert process.stdout
    try:
        line = process.stdout.readline().strip()
        assert line.startswith("ready http://"), f"not ready: {line!r}, see {folder}"
        stack = RunningStack(process, line.removeprefix("ready "), folder)
        yield stack
        stack.http.close()
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def alive(process: psutil.Process) -> bool:
    """A zombie that nobody has reaped yet is not alive."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _plays(process: psutil.Process, role: str) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    if role == "valkey-server":
        return bool(words) and "valkey-server" in words[0]  # it writes its address behind its name
    return len(words) > 2 and words[1].endswith("safelight") and words[2] == role
