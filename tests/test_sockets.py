"""The WebSocket against a real stack: everything is told, nothing goes backwards."""

import asyncio
import contextlib
import json
import random
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import connect

from tests.sockets import another_api, client
from tests.stacks import FINAL, RunningStack

pytestmark = pytest.mark.anyio


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


@pytest.mark.parametrize("prompt", ['"\\u0000"', '"\\ud800"', "NaN", "18446744073709551616", '"","prompt":""'])
async def test_a_submit_that_is_refused_unread_is_answered_by_its_ref(stack: RunningStack, prompt: str) -> None:
    async with client(stack.url) as me:
        said = '{"type":"submit","ref":"mine","job":{"model":"noop","input":{"prompt":%s}}}'
        await me.connection.send(said % prompt)
        frame = await me.hear()
        assert (frame["type"], frame["ref"], frame["problem"]["status"]) == ("error", "mine", 422), frame


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


async def test_a_ticket_opens_one_socket_at_any_process_and_no_second_one(stack: RunningStack) -> None:
    answer = await asyncio.to_thread(stack.http.post, "/v1/ws-tickets")
    assert answer.status_code == 201
    with another_api(stack) as url:
        address = f"{url.replace('http', 'ws', 1)}/v1/ws?ticket={answer.json()['ticket']}"
        async with connect(address) as connection:
            await connection.send('{"type":"ping"}')
            assert json.loads(await connection.recv()) == {"type": "pong"}
        with pytest.raises(websockets.InvalidStatus):
            async with connect(address):
                pass
