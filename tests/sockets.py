"""A WebSocket client for tests, which checks what it hears, and a second API process for it to turn to."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.servers import free_port, wait_until
from tests.stacks import FINAL, SAFELIGHT, RunningStack

PATIENCE_S = 90.0


class Client:
    """A socket that checks, frame by frame, that no job goes backwards."""

    def __init__(self, connection: ClientConnection, seen: dict[str, dict[str, Any]]) -> None:
        self.connection = connection
        self.jobs = seen
        self.accepted: dict[Any, str] = {}

    async def say(self, **frame: Any) -> None:
        await self.connection.send(json.dumps(frame))

    async def submit(self, ref: Any, **given: Any) -> None:
        await self.say(type="submit", ref=ref, job={"model": "noop", "input": {"prompt": "x", **given}})

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            frame: dict[str, Any] = json.loads(await self.connection.recv())
        if frame["type"] == "accepted":
            assert frame["job"]["id"] not in self.jobs, "a job frame came before its accepted"
            self.accepted[frame["ref"]] = frame["job"]["id"]
        if "job" in frame:
            self._check(frame["job"])
        return frame

    def _check(self, job: dict[str, Any]) -> None:
        before = self.jobs.get(job["id"])
        if before:
            assert job["seq"] >= before["seq"], "a seq went backwards"
            if job["seq"] == before["seq"]:
                assert (job["status"], job["progress"] >= before["progress"]) == (before["status"], True)
        self.jobs[job["id"]] = job

    async def until(self, wanted: Any) -> dict[str, Any]:
        while True:
            frame = await self.hear()
            if wanted(frame):
                return frame

    def final(self) -> set[str]:
        return {job_id for job_id, job in self.jobs.items() if job["status"] in FINAL}


@contextlib.asynccontextmanager
async def client(url: str, seen: dict[str, dict[str, Any]] | None = None, **options: Any) -> AsyncIterator[Client]:
    address = url.replace("http", "ws", 1) + "/v1/ws"
    async with connect(address, **options) as connection:
        yield Client(connection, {} if seen is None else seen)


@contextlib.contextmanager
def another_api(stack: RunningStack) -> Iterator[str]:
    """A second API process on the same stack."""
    port = free_port()
    process = subprocess.Popen(
        [SAFELIGHT, "api", "--port", str(port)],
        env=os.environ | {"SAFELIGHT_DATA_DIR": str(stack.folder), "SAFELIGHT_DIAGNOSTICS": "1"},
        cwd=stack.folder.parent,
    )
    wait_until(lambda: _listens(port), "the other API listens")
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
