"""Being told: from done to heard beside a plain broadcast, what a change costs that a thousand hear, and what an
idle socket costs."""

import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import redis
import redis.asyncio
from websockets.asyncio.client import ClientConnection, connect

from bench.broadcast import CHANNEL
from storage.bus import CHANGED
from tests.servers import free_port, wait_until
from tests.stacks import FINAL, RunningStack, running_stack

_JOBS = 200
_LISTENERS = 1_000
_IDLE = 5_000


def run() -> None:
    """Print medians, p99 and costs. Open files: twice the number of idle sockets, in two processes."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder) / "data") as stack:
        _compare(stack)
        asyncio.run(_count(stack))


def _compare(stack: RunningStack) -> None:
    broker_url = json.loads((stack.folder / "stack.json").read_text())["broker_url"]
    port = free_port()
    plain = subprocess.Popen([sys.executable, "-m", "bench.broadcast", str(port), broker_url])
    try:
        wait_until(lambda: _listens(plain, port), "the plain recipe listens")
        whole, ours = asyncio.run(_done_to_heard(stack, broker_url))
        theirs = asyncio.run(_said_to_heard(broker_url, port))
    finally:
        plain.terminate()
        plain.wait()
    _tell("finished_at to heard (with the commit)", whole)
    _tell("committed to heard", ours)
    _tell("said to heard, plain broadcast", theirs)
    print(f"  ratio of the medians {statistics.median(ours) / statistics.median(theirs):.2f}")


async def _count(stack: RunningStack) -> None:
    (api,) = stack.processes("api")
    await _thousand(stack, api)
    await _idle(stack, api)


async def _done_to_heard(stack: RunningStack, broker_url: str) -> tuple[list[float], list[float]]:
    """Milliseconds to the frame that tells of the end: from the moment the row gives, which lies before its
    commit, and from the word on the bus, which is said right after it."""
    words: list[float] = []
    whole: list[float] = []
    committed: list[float] = []
    listening = asyncio.create_task(_note_words(broker_url, words))
    async with _socket(stack.url) as one:
        for number in range(_JOBS):
            await asyncio.sleep(0.05)  # an idle service, one job at a time
            job = {"model": "noop", "input": {"prompt": "x"}}
            await one.send(json.dumps({"type": "submit", "ref": number, "job": job}))
            frame: dict[str, Any] = {"job": {"status": ""}}
            while frame["job"]["status"] not in FINAL:
                frame = json.loads(await one.recv())
            heard_at = time.time()
            done_at = datetime.fromisoformat(frame["job"]["finished_at"]).timestamp()
            whole.append((heard_at - done_at) * 1000)
            committed += [(heard_at - word) * 1000 for word in words if done_at <= word <= heard_at][:1]
            words.clear()
    listening.cancel()
    return whole, committed


async def _note_words(broker_url: str, words: list[float]) -> None:
    async with redis.asyncio.Redis.from_url(broker_url).pubsub() as channel:
        await channel.subscribe(CHANGED)
        async for message in channel.listen():
            if message["type"] == "message":
                words.append(time.time())


async def _said_to_heard(broker_url: str, port: int) -> list[float]:
    took: list[float] = []
    broker = redis.Redis.from_url(broker_url)
    async with connect(f"ws://127.0.0.1:{port}/ws", compression=None) as one:
        for _ in range(_JOBS):
            said_at = time.time()
            broker.publish(CHANNEL, json.dumps({"at": said_at, "padding": "x" * 900}))
            await one.recv()
            took.append((time.time() - said_at) * 1000)
            await asyncio.sleep(0.01)
    return took


async def _thousand(stack: RunningStack, api: psutil.Process) -> None:
    """Processor time of the API for each change of one job that a thousand sockets watch."""
    job = stack.finished(stack.submit(fail="error", fail_times=3)["id"])  # failed: it can be retried
    sockets = [await _socket(stack.url) for _ in range(_LISTENERS)]
    subscribe = json.dumps({"type": "subscribe", "ids": [job["id"]]})
    await asyncio.gather(*(one.send(subscribe) for one in sockets))
    await asyncio.gather(*(one.recv() for one in sockets))
    before = _cpu_s(api)
    stack.http.post(f"/v1/jobs/{job['id']}/retry")
    heard = await asyncio.gather(*(_until(one, FINAL) for one in sockets))
    spent_ms = (_cpu_s(api) - before) * 1000
    changes = statistics.median(heard)
    print(f"  one change heard by {_LISTENERS}: {spent_ms / changes:.0f} ms of the server's CPU")
    for one in sockets:
        await one.close()


async def _idle(stack: RunningStack, api: psutil.Process) -> None:
    """Resident memory of the API for each idle socket."""
    before = api.memory_info().rss
    sockets = [await _socket(stack.url) for _ in range(_IDLE)]
    grown = api.memory_info().rss - before
    await sockets[-1].send('{"type":"ping"}')
    assert json.loads(await sockets[-1].recv()) == {"type": "pong"}
    print(f"  {_IDLE} idle sockets: {grown / _IDLE / 1024:.1f} KiB each")
    await asyncio.gather(*(one.close() for one in sockets))


async def _until(one: ClientConnection, statuses: set[str]) -> int:
    """How many frames came until then."""
    frames = 1
    while json.loads(await one.recv())["job"]["status"] not in statuses:
        frames += 1
    return frames


def _socket(url: str) -> Any:
    return connect(url.replace("http", "ws", 1) + "/v1/ws", compression=None, ping_interval=None, max_queue=None)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _tell(name: str, took: list[float]) -> None:
    took = sorted(took)
    print(f"  {name:<40} p50 {statistics.median(took):5.1f} ms  p99 {took[int(len(took) * 0.99)]:5.1f} ms")


def _listens(process: "subprocess.Popen[bytes]", port: int) -> bool:
    return any(one.laddr.port == port for one in psutil.Process(process.pid).net_connections("tcp"))
