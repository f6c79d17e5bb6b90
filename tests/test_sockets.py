"""The WebSocket against real stacks: everything is told, nothing goes backwards, nobody is slowed by another."""

import asyncio
import contextlib
import json
import os
import random
import select
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.servers import free_port, wait_until
from tests.stacks import FINAL, SAFELIGHT, RunningStack

pytestmark = pytest.mark.anyio

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


@pytest.fixture
def other_api(stack: RunningStack) -> Iterator[str]:
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


async def test_one_socket_submits_hears_of_every_change_and_cancels(stack: RunningStack) -> None:
    async with client(stack.url) as me:
        await me.submit("first")
        done = await me.until(lambda frame: frame.get("job", {}).get("status") == "succeeded")
        assert done["job"]["id"] == me.accepted["first"]
        await me.submit("second", duration_s=60)
        await me.until(lambda frame: frame.get("job", {}).get("status") == "running")
        await me.say(type="cancel", id=me.accepted["second"])
        await me.until(lambda frame: frame.get("job", {}).get("status") == "canceled")


async def test_five_hundred_jobs_over_one_socket_give_five_hundred_final_states(stack: RunningStack) -> None:
    async with client(stack.url) as me:
        for number in range(500):
            await me.submit(number)
        while len(me.final()) < 500:
            frame = await me.hear()
            assert frame["type"] != "error", frame
        assert len(set(me.accepted.values())) == 500 == len(me.jobs)


async def test_reconnects_at_random_miss_no_final_state_and_no_seq_goes_backwards(stack: RunningStack) -> None:
    chance = random.Random(7)
    ids = [stack.submit(duration_s=chance.choice((0, 0.02)))["id"] for _ in range(200)]
    seen: dict[str, dict[str, Any]] = {}
    connections = 0
    while len({job_id for job_id in ids if seen.get(job_id, {}).get("status") in FINAL}) < 200:
        connections += 1
        async with client(stack.url, seen) as me:
            await me.say(type="subscribe", ids=ids)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(chance.uniform(0.05, 0.6)):
                    while True:
                        frame = json.loads(await me.connection.recv())
                        me._check(frame["job"])
    assert connections > 1, "the test wants at least one reconnect"


async def test_subscribing_tells_the_present_state_at_once_also_of_a_finished_job(stack: RunningStack) -> None:
    job = await asyncio.to_thread(lambda: stack.finished(stack.submit()["id"]))
    async with client(stack.url) as me:
        for _ in range(2):  # also a second time
            await me.say(type="subscribe", ids=[job["id"]])
            frame = await me.hear()
            assert (frame["type"], frame["job"]["status"]) == ("job", "succeeded")


async def test_subscribing_to_all_tells_of_unfinished_jobs_and_of_those_submitted_later(stack: RunningStack) -> None:
    held = stack.submit(duration_s=1.0)
    waiting = stack.submit()
    async with client(stack.url) as me:
        await me.say(type="subscribe", all=True)
        await me.until(lambda _: {held["id"], waiting["id"]} <= me.jobs.keys())
        later = await asyncio.to_thread(stack.submit)
        ids = {held["id"], waiting["id"], later["id"]}
        await me.until(lambda _: ids <= me.final())
        await me.say(type="unsubscribe", all=True)
        await me.say(type="ping", ref="p")
        await me.until(lambda frame: frame["type"] == "pong")
        silent = await asyncio.to_thread(lambda: stack.finished(stack.submit()["id"]))
        await me.say(type="ping", ref="q")
        await me.until(lambda frame: frame["type"] == "pong")
        assert silent["id"] not in me.jobs


async def test_a_deleted_job_is_said_to_be_gone(stack: RunningStack) -> None:
    job = await asyncio.to_thread(lambda: stack.finished(stack.submit()["id"]))
    async with client(stack.url) as me:
        await me.say(type="subscribe", ids=[job["id"]])
        await me.hear()
        assert (await asyncio.to_thread(stack.http.delete, f"/v1/jobs/{job['id']}")).status_code == 204
        gone = await me.hear()
        assert (gone["type"], gone["id"], gone["problem"]["status"]) == ("error", job["id"], 404)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("no json", 422),
        ("[]", 422),
        ('{"type":"dance"}', 422),
        ('{"type":"subscribe"}', 422),
        ('{"type":"subscribe","ids":[],"ref":5}', 422),
        ('{"type":"subscribe","ids":["nonsense"]}', 404),
        ('{"type":"cancel","id":"01a20118-0000-7000-8000-000000000000"}', 404),
        ('{"type":"submit","job":{"model":"noop","input":{}}}', 422),
        ('{"type":"submit","job":{"model":"none","input":{}},"idempotency_key":""}', 422),
        ('{"type":"ping","ref":{"a":1}}', 422),
        ('{"type":"ping","ref":NaN}', 422),
        ('{"type":"ping","also":1}', 422),
        (b"\x00\x01", 422),
    ],
)
async def test_a_bad_frame_is_answered_with_a_problem_and_the_socket_lives_on(
    stack: RunningStack, said: str | bytes, status: int
) -> None:
    async with client(stack.url) as me:
        await me.connection.send(said)
        frame = await me.hear()
        assert (frame["type"], frame["problem"]["status"]) == ("error", status), frame
        await me.say(type="ping", ref="still there")
        assert await me.hear() == {"type": "pong", "ref": "still there"}


async def test_an_idempotency_key_makes_one_job_on_the_socket_too(stack: RunningStack) -> None:
    job = {"model": "noop", "input": {"prompt": "once"}}
    async with client(stack.url) as me:
        for ref in ("a", "b"):
            await me.say(type="submit", ref=ref, idempotency_key="socket-once", job=job)
        while len(me.accepted) < 2:
            frame = json.loads(await me.connection.recv())
            if frame["type"] == "accepted":
                me.accepted[frame["ref"]] = frame["job"]["id"]
        assert me.accepted["a"] == me.accepted["b"]


async def test_a_frame_beyond_a_mebibyte_closes_the_socket(stack: RunningStack) -> None:
    async with client(stack.url) as me:
        await me.connection.send(json.dumps({"type": "ping", "ref": "x" * (1 << 21)}))
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await me.hear()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


async def test_a_page_of_another_site_gets_no_socket(stack: RunningStack) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with client(stack.url, origin="https://elsewhere.example"):
            pass
    assert refused.value.response.status_code == 403
    async with client(stack.url, origin=stack.url) as me:
        await me.say(type="ping")
        assert await me.hear() == {"type": "pong"}


async def test_a_ticket_opens_one_socket_and_no_second_one(stack: RunningStack, other_api: str) -> None:
    answer = await asyncio.to_thread(stack.http.post, "/v1/ws-tickets")
    assert answer.status_code == 201
    address = f"{other_api.replace('http', 'ws', 1)}/v1/ws?ticket={answer.json()['ticket']}"
    async with connect(address) as connection:  # any process honours it
        await connection.send('{"type":"ping"}')
        assert json.loads(await connection.recv()) == {"type": "pong"}
    with pytest.raises(websockets.InvalidStatus):
        async with connect(address):
            pass


async def test_an_api_process_killed_under_two_hundred_sockets_costs_nobody_its_final_state(
    stack: RunningStack, other_api: str
) -> None:
    job = stack.submit(duration_s=6.0, steps=20)
    started = asyncio.Semaphore(0)

    async def watch() -> dict[str, Any]:
        seen: dict[str, dict[str, Any]] = {}
        for url in (stack.url, other_api):
            with contextlib.suppress(websockets.ConnectionClosed):
                async with client(url, seen) as me:
                    await me.say(type="subscribe", ids=[job["id"]])
                    await me.hear()
                    started.release()
                    await me.until(lambda _: me.final())
                    break
        return seen[job["id"]]

    watchers = [asyncio.create_task(watch()) for _ in range(200)]
    for _ in range(200):
        await started.acquire()
    stack.kill("api")
    finals = await asyncio.gather(*watchers)
    assert {final["status"] for final in finals} == {"succeeded"}
    wait_until(lambda: _answers(stack), "the killed API is back")


def _answers(stack: RunningStack) -> bool:
    with contextlib.suppress(Exception):
        return bool(stack.http.get("/healthz").status_code == 200)
    return False


async def test_a_drained_process_closes_its_sockets_with_1012(stack: RunningStack) -> None:
    async with client(stack.url) as me:
        (process,) = stack.processes("api")
        process.terminate()
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await me.hear()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
    wait_until(lambda: _answers(stack), "the API is back")


async def test_ten_sockets_that_never_read_cost_the_others_nothing(stack: RunningStack) -> None:
    """Each would be sent megabytes; the one that reads hears of everything in time, and they are cut off."""
    padding = "x" * 15_000
    deaf = [socket.create_connection(("127.0.0.1", int(stack.url.rsplit(":", 1)[1]))) for _ in range(10)]
    for one in deaf:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.sendall(_upgrade(stack.url) + _text_frame('{"type":"subscribe","all":true}'))
    async with client(stack.url, max_size=None) as me:
        job = {"model": "noop", "input": {"prompt": "x"}, "metadata": {"padding": padding}}
        for number in range(300):
            await me.say(type="submit", ref=number, job=job)
        started = time.monotonic()
        while len(me.final()) < 300:
            await me.hear()
            assert time.monotonic() - started < PATIENCE_S
    for one in deaf:
        await asyncio.to_thread(wait_until, lambda one=one: _is_cut_off(one), "the deaf socket is cut off")
        one.close()


def _upgrade(url: str) -> bytes:
    host = url.removeprefix("http://")
    return (
        f"GET /v1/ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def _text_frame(text: str) -> bytes:
    """A short frame, masked with zeros."""
    assert len(text) < 126
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode()


def _is_cut_off(one: socket.socket) -> bool:
    """Has the server reset the connection? Seen without reading what lies in the buffers."""
    events = select.poll()
    events.register(one, 0)
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in events.poll(0))
