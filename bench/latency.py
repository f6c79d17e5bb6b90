"""From a POST to the moment at which a subscriber knows that the job is done; one job at a time, nothing else to do.

Safelight tells by WebSocket. Both recipes announce by Redis, where the client listens itself: faster than anything a
browser could have. The naive one is also asked again each 10 ms, as is usual."""

import asyncio
import contextlib
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlsplit

import redis.asyncio
import uvloop
from websockets.asyncio.client import connect

from bench.contestants import OWN_BYTES, STORING, Queued, safelight_and_recipes
from bench.load import Connection
from bench.results import OURS, Plan, Results, interleave
from tests.stacks import FINAL

_JOBS = 30
_POLL_S = 0.01
_PAUSE_S = 0.02  # between jobs, so that nothing is left over from the last one

UntilDone = Callable[[str], Awaitable[None]]


def run(plan: Plan, results: Results) -> None:
    """Each database."""
    for kind in plan.databases:
        with safelight_and_recipes(kind) as contestants:
            for one in contestants.values():
                one.start_worker()
            _compare(plan, results, kind, contestants[OURS], contestants["naive"], contestants["tuned"])


def _compare(plan: Plan, results: Results, kind: str, ours: Queued, naive: Queued, tuned: Queued) -> None:
    ways: dict[str, Callable[[], float]] = {
        OURS: lambda: uvloop.run(_measure(ours, _by_socket(ours))),
        STORING: lambda: uvloop.run(_measure(ours, _by_socket(ours), OWN_BYTES)),
        "naive": lambda: uvloop.run(_measure(naive, _by_broker(naive))),
        "naive, polled": lambda: uvloop.run(_measure(naive, _by_polling(naive))),
        "tuned": lambda: uvloop.run(_measure(tuned, _by_broker(tuned))),
    }
    for measure in ways.values():
        measure()  # the first jobs find everything cold

    def note(who: str) -> None:
        results.add("latency", kind, "unloaded", who, p50_ms=ways[who]())

    interleave(plan.rounds, {who: (lambda who=who: note(who)) for who in ways})


async def _measure(one: Queued, way: contextlib.AbstractAsyncContextManager[UntilDone], body: bytes = b"") -> float:
    """The median, in milliseconds."""
    connection = Connection(one.url)
    request = connection.request("POST", urlsplit(one.url).path, body or one.body)
    took = []
    async with way as until_done:
        for _ in range(_JOBS):
            await asyncio.sleep(_PAUSE_S)
            began = time.perf_counter()
            _, answer = await connection.send(request)
            await until_done(json.loads(answer)["id"])
            took.append((time.perf_counter() - began) * 1000)
    connection.close()
    return statistics.median(took)


@contextlib.asynccontextmanager
async def _by_socket(one: Queued) -> AsyncIterator[UntilDone]:
    url = one.url.replace("http", "ws", 1).removesuffix("/jobs") + "/ws"
    async with connect(url, compression=None) as socket:
        await socket.send('{"type":"subscribe","all":true}')

        async def until_done(job_id: str) -> None:
            job = {"id": "", "status": ""}
            while job["id"] != job_id or job["status"] not in FINAL:
                job = json.loads(await socket.recv())["job"]

        yield until_done


@contextlib.asynccontextmanager
async def _by_broker(one: Queued) -> AsyncIterator[UntilDone]:
    async with redis.asyncio.Redis.from_url(one.broker_url) as client, client.pubsub() as channel:
        await channel.subscribe("done")
        await channel.get_message(timeout=5)

        async def until_done(job_id: str) -> None:
            said = b""
            while said != job_id.encode():
                message = await channel.get_message(ignore_subscribe_messages=True, timeout=60)
                said = message["data"] if message else b""

        yield until_done


@contextlib.asynccontextmanager
async def _by_polling(one: Queued) -> AsyncIterator[UntilDone]:
    connection = Connection(one.url)

    async def until_done(job_id: str) -> None:
        request = connection.request("GET", f"/jobs/{job_id}")
        while b'"succeeded"' not in (await connection.send(request))[1]:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)

    yield until_done
    connection.close()
