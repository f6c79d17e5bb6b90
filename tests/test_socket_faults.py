"""Sockets when something goes wrong: processes die or are drained, clients do not read."""

import asyncio
import contextlib
import select
import socket
import time
from typing import Any

import pytest
import websockets

from tests.servers import wait_until
from tests.sockets import PATIENCE_S, another_api, client
from tests.stacks import RunningStack

pytestmark = pytest.mark.anyio


async def test_an_api_process_killed_under_two_hundred_sockets_costs_nobody_its_final_state(
    stack: RunningStack,
) -> None:
    job = stack.submit(duration_s=6.0, steps=20)
    started = asyncio.Semaphore(0)

    async def watch(urls: tuple[str, str]) -> dict[str, Any]:
        seen: dict[str, dict[str, Any]] = {}
        for url in urls:
            with contextlib.suppress(websockets.ConnectionClosed):
                async with client(url, seen) as me:
                    await me.say(type="subscribe", ids=[job["id"]])
                    await me.hear()
                    started.release()
                    if not me.final():  # it may have ended while this client was between two processes
                        await me.until(lambda _: me.final())
                    break
        return seen[job["id"]]

    with another_api(stack) as other:
        watchers = [asyncio.create_task(watch((stack.url, other))) for _ in range(200)]
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
