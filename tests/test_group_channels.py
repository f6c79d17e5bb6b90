"""Groups over a real stack: fan-out, workflows, and every channel that tells of them."""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from api.shapes.documents import JobDocument
from tests.gathering import ENDED, NOOP, ended, fan_out, gather, post, statuses
from tests.hooks import SETTINGS
from tests.receivers import Receiver
from tests.servers import wait_until
from tests.stacks import RunningStack, running_stack


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack with two workers, which may call this machine."""
    with running_stack(tmp_path_factory.mktemp("groups") / "data", "--workers", "2", **SETTINGS) as stack:
        yield stack


def test_of_four_seeds_the_first_two_make_the_result_and_the_others_free_the_device(house: RunningStack) -> None:
    group = gather(house, fan_out=fan_out([1, 2, 3, 4], duration_s=1.5, steps=15), join={"first": 2})
    assert (group["status"], group["join"], len(group["members"])) == ("waiting", {"first": 2}, 4)
    done = ended(house, group)
    assert done["status"] == "succeeded"
    assert sorted(statuses(done)) == ["canceled", "canceled", "succeeded", "succeeded"]
    assert [output["seed"] for output in done["outputs"]] == [
        house.get(member["id"])["outputs"][0]["seed"] for member in done["members"] if member["joined"]
    ]
    began = time.monotonic()
    assert house.finished(house.submit()["id"])["status"] == "succeeded"
    assert time.monotonic() - began < 20, "the device is free"


def test_all_of_one_input_for_each_model_and_seed(house: RunningStack) -> None:
    done = ended(house, gather(house, fan_out=fan_out([5, 6, 7]), metadata={"mine": 1}))
    assert (done["status"], done["metadata"], done["progress"]) == ("succeeded", {"mine": 1}, 1.0)
    assert [output["seed"] for output in done["outputs"]] == [5, 6, 7]
    job = house.get(done["members"][0]["id"])
    JobDocument.model_validate(job)
    assert job["group"] == done["id"]
    for output in done["outputs"]:
        assert house.http.get(output["url"]).status_code == 200


def test_a_workflow_of_named_members_is_one_post(house: RunningStack) -> None:
    done = ended(
        house,
        gather(
            house,
            members=[
                {"name": "last", "depends_on": ["left", "right"], **NOOP},
                {"name": "left", "depends_on": ["first"], **NOOP},
                {"name": "right", "depends_on": ["first"], **NOOP},
                {"name": "first", **NOOP},
                NOOP,
            ],
        ),
    )
    assert (done["status"], [member["name"] for member in done["members"]]) == (
        "succeeded",
        ["last", "left", "right", "first", "4"],
    )
    jobs = {member["name"]: house.get(member["id"]) for member in done["members"]}
    assert set(jobs["last"]["depends_on"]) == {jobs["left"]["id"], jobs["right"]["id"]}
    assert jobs["first"]["finished_at"] < jobs["left"]["started_at"] < jobs["last"]["started_at"]


def test_the_best_by_a_number_of_its_document(house: RunningStack) -> None:
    members = [{**NOOP, "input": {"prompt": "x", "duration_s": seconds}} for seconds in (0.8, 0.1, 0.5)]
    done = ended(house, gather(house, members=members, join={"best": {"metric": "timings.run_s", "order": "min"}}))
    assert [member["joined"] for member in done["members"]] == [False, True, False]
    assert len(done["outputs"]) == 1


def test_a_member_that_fails_fails_the_group_and_a_retry_mends_it(house: RunningStack) -> None:
    broken = {**NOOP, "input": {"prompt": "x", "fail": "error", "fail_times": 3}}
    slow = {**NOOP, "input": {"prompt": "x", "duration_s": 30, "steps": 300}}
    failed = ended(house, gather(house, members=[{**broken, "name": "bad"}, {**slow, "name": "slow"}]))
    assert (failed["status"], statuses(failed)) == ("failed", ["failed", "canceled"])
    assert "bad" in failed["error"]["message"]
    assert house.http.post(f"{failed['urls']['self']}/retry").json()["status"] in ("waiting", "running")
    wait_until(lambda: house.get(failed["members"][0]["id"])["status"] == "succeeded", "the bad one is mended")
    canceled = house.http.post(failed["urls"]["cancel"]).json()
    assert canceled["cancel_requested"]
    assert ended(house, canceled)["status"] == "canceled"


def test_what_has_ended_may_be_deleted_with_all_its_jobs(house: RunningStack) -> None:
    group = gather(house, fan_out=fan_out([1], duration_s=20, steps=200))
    assert house.http.delete(group["urls"]["self"]).status_code == 409
    house.http.post(group["urls"]["cancel"])
    ended(house, group)
    assert house.http.delete(group["urls"]["self"]).status_code == 204
    assert house.http.get(group["urls"]["self"]).status_code == 404
    assert house.http.get(f"/v1/jobs/{group['members'][0]['id']}").status_code == 404


def test_an_idempotency_key_makes_one_group(house: RunningStack) -> None:
    body, key = {"fan_out": fan_out([1, 2])}, {"Idempotency-Key": "one group"}
    first, again = post(house, key, **body), post(house, key, **body)
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert post(house, key, fan_out=fan_out([1, 3])).status_code == 409
    assert house.http.post("/v1/jobs", json=NOOP, headers=key).status_code == 409


def test_groups_are_listed_newest_first_page_by_page(house: RunningStack) -> None:
    made = [ended(house, gather(house, members=[NOOP]))["id"] for _ in range(3)]
    page = house.http.get("/v1/groups", params={"limit": 2, "status": "succeeded"}).json()
    assert [group["id"] for group in page["groups"]] == made[:0:-1]
    rest = house.http.get("/v1/groups", params={"limit": 1, "cursor": page["next_cursor"]}).json()
    assert rest["groups"][0]["id"] == made[0]


def test_a_poll_waits_for_the_next_change_and_an_etag_saves_the_rest(house: RunningStack) -> None:
    group = gather(house, fan_out=fan_out([1], duration_s=1.0, steps=10))
    later = house.http.get(group["urls"]["self"], params={"wait": 20, "after": group["seq"]}).json()
    assert later["seq"] > group["seq"]
    ended(house, group)
    answer = house.http.get(group["urls"]["self"])
    same = house.http.get(group["urls"]["self"], headers={"If-None-Match": answer.headers["etag"]})
    assert same.status_code == 304


def test_a_stream_of_events_tells_of_every_change_until_the_end(house: RunningStack) -> None:
    group = gather(house, fan_out=fan_out([1, 2, 3], duration_s=0.5, steps=5))
    told: list[tuple[int, dict[str, Any]]] = []
    with house.http.stream("GET", group["urls"]["events"], timeout=60) as answer:
        number = -1
        for line in answer.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                assert value == "group"
            elif field == "id":
                number = int(value)
            elif field == "data":
                told.append((number, json.loads(value)))
    ranks = [(number, document["progress"]) for number, document in told]
    assert ranks == sorted(ranks)
    assert [number for number, _ in told] == [document["seq"] for _, document in told]
    assert told[-1][1]["status"] == "succeeded"
    assert any(0.0 < document["progress"] < 1.0 for _, document in told), "members' steps are told in between"
    seen = {"Last-Event-ID": str(told[-1][0])}
    assert house.http.get(group["urls"]["events"], headers=seen).status_code == 204


def test_a_socket_hears_of_a_group_by_its_id_and_with_all(house: RunningStack) -> None:
    asyncio.run(_listen(house))


async def _listen(house: RunningStack) -> None:
    body = fan_out([1, 2, 3], duration_s=1.0, steps=10)
    async with (
        connect(house.url.replace("http", "ws") + "/v1/ws") as one,
        connect(house.url.replace("http", "ws") + "/v1/ws") as other,
    ):
        await other.send('{"type":"subscribe","all":true}')
        group = await asyncio.to_thread(gather, house, fan_out=body, join="any")
        await one.send(json.dumps({"type": "subscribe", "ids": [group["id"]]}))
        for socket in (one, other):
            seqs = [frame["seq"] async for frame in _frames(socket, group["id"])]
            assert seqs == sorted(seqs)
        group = await asyncio.to_thread(gather, house, fan_out=body)
        await one.send(json.dumps({"type": "cancel", "id": group["id"]}))
        await one.send(json.dumps({"type": "subscribe", "ids": [group["id"]]}))
        assert [frame["status"] async for frame in _frames(one, group["id"])][-1] == "canceled"


async def _frames(socket: Any, group_id: str) -> Any:
    async with asyncio.timeout(60):
        while True:
            frame = json.loads(await socket.recv())
            assert frame["type"] in ("job", "group"), frame
            if frame["type"] == "group" and frame["group"]["id"] == group_id:
                yield frame["group"]
                if frame["group"]["status"] in ENDED:
                    return


def test_a_webhook_is_told_of_the_end_of_the_group_once(house: RunningStack, receiver: Receiver) -> None:
    group = gather(house, fan_out=fan_out([1, 2, 3]), join="any", webhook={"url": receiver.url})
    wait_until(lambda: receiver.received, "it is told")
    ended(house, group)
    (request,) = receiver.received
    payload = json.loads(request.body)
    assert (payload["type"], payload["data"]["id"], payload["data"]["status"]) == (
        "group.completed",
        group["id"],
        "succeeded",
    )
    deliveries = house.http.get("/v1/webhooks/deliveries", params={"job": group["id"]}).json()["deliveries"]
    assert [one["urls"]["job"] for one in deliveries] == [group["urls"]["self"]]


def test_a_member_that_is_killed_with_its_worker_runs_again(house: RunningStack) -> None:
    group = gather(house, fan_out=fan_out([1, 2, 3, 4], duration_s=2.0, steps=20), join={"first": 2})
    wait_until(lambda: "running" in statuses(house.http.get(group["urls"]["self"]).json()), "one runs")
    for role in ("worker", "courier", "api"):
        house.kill(role)
        time.sleep(0.3)
    with contextlib.suppress(httpx.HTTPError):
        house.http.get("/healthz")
    wait_until(lambda: _answers(house), "the API is back")
    done = ended(house, group, seconds=120)
    assert done["status"] == "succeeded"
    assert sorted(statuses(done)) == ["canceled", "canceled", "succeeded", "succeeded"]


def _answers(house: RunningStack) -> bool:
    try:
        return house.http.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False
