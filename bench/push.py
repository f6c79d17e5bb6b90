"""Being told: from done to heard beside a plain broadcast, what a change costs that a thousand hear, and what an
idle socket costs."""

import asyncio
import json
import resource
import statistics
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
from bench.contestants import SQLITE
from bench.processes import Measured, cpu_of
from bench.results import OURS, Plan, Results, interleave
from storage.bus import CHANGED
from tests.servers import free_port
from tests.stacks import FINAL, RunningStack, running_stack

_JOBS = 40
_LISTENERS = 1_000
_IDLE = 5_000
_HEARD = "an end, committed to heard"


def run(plan: Plan, results: Results) -> None:
    """On SQLite. Open files: twice the number of idle sockets, in two processes."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder) / "data") as stack:
        _compare(plan, results, stack)
        asyncio.run(_count(plan, results, stack))


def _compare(plan: Plan, results: Results, stack: RunningStack) -> None:
    broker_url = json.loads((stack.folder / "stack.json").read_text())["broker_url"]
    port = free_port()
    plain = Measured([sys.executable, "-m", "bench.broadcast", str(port), broker_url])

    def ours() -> None:
        whole, committed = asyncio.run(_done_to_heard(stack, broker_url))
        _note(results, "an end, finished_at to heard", OURS, whole)
        _note(results, _HEARD, OURS, committed)

    def theirs() -> None:
        _note(results, _HEARD, "plain broadcast", asyncio.run(_said_to_heard(broker_url, port)))

    try:
        plain.until_listening(port)
        interleave(plan.rounds, {"ours": ours, "theirs": theirs})
    finally:
        plain.stop()


async def _count(plan: Plan, results: Results, stack: RunningStack) -> None:
    (api,) = stack.processes("api")
    await _idle(results, stack, api, _IDLE // (5 if plan.quick else 1))  # first, while memory is as it was at start
    for _ in range(min(plan.rounds, 3)):
        await _thousand(results, stack, api)


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


async def _thousand(results: Results, stack: RunningStack, api: psutil.Process) -> None:
    """Processor time of the API for each change of one job that a thousand sockets watch."""
    job = stack.finished(stack.submit(fail="error", fail_times=3)["id"])  # failed: it can be retried
    sockets = [await _socket(stack.url) for _ in range(_LISTENERS)]
    subscribe = json.dumps({"type": "subscribe", "ids": [job["id"]]})
    await asyncio.gather(*(one.send(subscribe) for one in sockets))
    await asyncio.gather(*(one.recv() for one in sockets))
    before = cpu_of(api)
    stack.http.post(f"/v1/jobs/{job['id']}/retry")
    heard = await asyncio.gather(*(_until(one, FINAL) for one in sockets))
    spent_ms = (cpu_of(api) - before) * 1000
    changes = statistics.median(heard)
    results.add("push", SQLITE, f"a change heard by {_LISTENERS:,}", OURS, cpu_ms=spent_ms / changes)
    for one in sockets:
        await one.close()


async def _idle(results: Results, stack: RunningStack, api: psutil.Process, number: int) -> None:
    """Resident memory of the API for each idle socket."""
    before = api.memory_info().rss
    sockets = [await _socket(stack.url) for _ in range(number)]
    grown = api.memory_info().rss - before
    await sockets[-1].send('{"type":"ping"}')
    assert json.loads(await sockets[-1].recv()) == {"type": "pong"}
    results.add("push", SQLITE, f"one of {number:,} idle sockets", OURS, kib=grown / number / 1024)
    await asyncio.gather(*(one.close() for one in sockets))


async def _until(one: ClientConnection, statuses: set[str]) -> int:
    """How many frames came until then."""
    frames = 1
    while json.loads(await one.recv())["job"]["status"] not in statuses:
        frames += 1
    return frames


def _socket(url: str) -> Any:
    return connect(url.replace("http", "ws", 1) + "/v1/ws", compression=None, ping_interval=None, max_queue=None)


def _note(results: Results, case: str, who: str, took: list[float]) -> None:
    p99 = sorted(took)[int(len(took) * 0.99)]
    results.add("push", SQLITE, case, who, p50_ms=statistics.median(took), p99_ms=p99)
