"""/asyncapi.json says what is really sent: the official schema accepts it, and it accepts what comes over the
wires of a real stack."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from websockets.sync.client import connect

from api.routes.asyncapi import asyncapi_document
from api.shapes.frames import parse_frame
from egress.signing import sign
from jobs.deliveries import announce
from jobs.errors import InvalidInput
from jobs.identity import new_job_id
from jobs.values import Event, Status, Webhook
from tests.stacks import FINAL, RunningStack
from tests.test_document import NOW, job

OFFICIAL = Path(__file__).parent / "schemas" / "asyncapi-3.0.0.json"
ORDER = {"model": "noop", "input": {"prompt": "x"}}
SAID_TO_IT = [
    {"type": "submit", "job": ORDER},
    {"type": "submit", "ref": 7, "job": {**ORDER, "priority": "batch"}, "idempotency_key": "k"},
    {"type": "subscribe", "ids": ["a", "b"], "ref": "r"},
    {"type": "subscribe", "all": True},
    {"type": "unsubscribe", "ids": ["a"]},
    {"type": "cancel", "id": "a"},
    {"type": "ping", "ref": "r"},
]
NOT_TO_BE_SAID = [
    {"type": "submit"},
    {"type": "subscribe", "ids": []},
    {"type": "subscribe", "ids": [7]},
    {"type": "unsubscribe", "ids": "a"},
    {"type": "cancel"},
    {"type": "cancel", "id": "a", "mood": "calm"},
    {"type": "ping", "ref": 1.5},
]


@pytest.fixture(scope="module")
def described(stack: RunningStack) -> dict[str, Any]:
    answer = stack.http.get("/asyncapi.json")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


def validate(document: dict[str, Any], channel: str, name: str, payload: Any, headers: Any = None) -> None:
    """Hold a message to its description. Raises: jsonschema_rs.ValidationError."""
    message = document["channels"][channel]["messages"][name]
    for schema, instance in ((message["payload"], payload), (message.get("headers", True), headers)):
        within = {"allOf": [schema], "components": document["components"]}
        jsonschema_rs.Draft7Validator(within).validate(instance)


def test_the_document_is_valid_asyncapi_and_all_its_references_lead_somewhere(described: dict[str, Any]) -> None:
    jsonschema_rs.Draft7Validator(json.loads(OFFICIAL.read_text("utf-8"))).validate(described)
    found = list(references(described))
    assert len(found) > 30
    for reference in found:
        target: Any = described
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for member in node:
            yield from references(member)


def test_a_job_is_described_as_openapi_describes_it(described: dict[str, Any], stack: RunningStack) -> None:
    for name in ("JobDocument", "OutputDocument", "ErrorDocument", "TimingsDocument", "UrlsDocument"):
        ours = json.dumps(described["components"]["schemas"][name], sort_keys=True)
        theirs = json.dumps(stack.http.get("/openapi.json").json()["components"]["schemas"][name], sort_keys=True)
        assert ours == theirs


def test_every_frame_of_a_real_session_is_as_described(described: dict[str, Any], stack: RunningStack) -> None:
    heard: list[dict[str, Any]] = []
    with connect(stack.url.replace("http", "ws", 1) + "/v1/ws") as socket:

        def say(**frame: Any) -> None:
            validate(described, "socket", frame["type"], frame)
            socket.send(json.dumps(frame))

        def hear_until(wanted: Any) -> dict[str, Any]:
            while True:
                heard.append(json.loads(socket.recv(60)))
                if wanted(heard[-1]):
                    return heard[-1]

        say(type="submit", ref="a", job={"model": "noop", "input": {"prompt": "x", "duration_s": 1.0, "steps": 4}})
        hear_until(lambda frame: frame["type"] == "job" and frame["job"]["status"] == "succeeded")
        say(type="submit", ref=2, job={"model": "noop", "input": {"prompt": "x", "fail": "error", "fail_times": 3}})
        failed = hear_until(lambda frame: frame["type"] == "job" and frame["job"]["status"] == "failed")["job"]
        say(type="submit", ref=3, job={"model": "noop", "input": {"prompt": "x", "steps": 0}})
        hear_until(lambda frame: frame["type"] == "error" and frame["ref"] == 3)
        say(type="subscribe", ids=[failed["id"], new_job_id()])
        hear_until(lambda frame: frame["type"] == "error" and "ref" not in frame)
        say(type="cancel", ref=4, id=new_job_id())
        hear_until(lambda frame: frame["type"] == "error" and frame.get("ref") == 4)
        socket.send("no JSON")
        hear_until(lambda frame: frame["type"] == "error" and "JSON" in frame["problem"]["detail"])
        say(type="subscribe", all=True)
        say(type="unsubscribe", all=True)
        for ref in (None, "p"):
            say(type="ping", ref=ref)
            hear_until(lambda frame: frame["type"] == "pong")
    for frame in heard:
        validate(described, "socket", frame["type"], frame)
    assert {frame["type"] for frame in heard} == {"accepted", "job", "error", "pong"}


def test_every_event_of_a_real_stream_is_as_described(described: dict[str, Any], stack: RunningStack) -> None:
    submitted = stack.submit(duration_s=1.0, steps=4)
    address = described["channels"]["events"]["address"].replace("{id}", submitted["id"])
    text = httpx.get(stack.url + address, timeout=60).text
    events = [
        dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        for block in text.split("\n\n")
        if block.strip("\n")
    ]
    jobs = [json.loads(event.pop("data")) for event in events]
    assert len(jobs) > 3
    assert jobs[-1]["status"] in FINAL
    for event, shown in zip(events, jobs, strict=True):
        validate(described, "events", "job", shown, event)


@pytest.mark.parametrize(("event", "name"), [(Event.STARTED, "started"), (Event.COMPLETED, "completed")])
def test_a_webhook_is_as_described(event: Event, name: str) -> None:
    later = NOW + timedelta(seconds=1)
    told = job(Status.SUCCEEDED, webhook=Webhook("https://example.org", (event,)), started_at=NOW, finished_at=later)
    delivery = announce(told, event, "msg_1")
    headers = sign(delivery.id, delivery.body, ["whsec_c2VjcmV0c2VjcmV0c2VjcmV0"] * 2, later)
    validate(asyncapi_document("1"), "webhook", name, json.loads(delivery.body), headers)


@pytest.mark.parametrize("frame", [*SAID_TO_IT, *NOT_TO_BE_SAID], ids=json.dumps)
def test_the_socket_and_the_document_agree_on_what_may_be_said(frame: dict[str, Any]) -> None:
    if frame in SAID_TO_IT:
        parse_frame(frame)
        validate(asyncapi_document("1"), "socket", frame["type"], frame)
        return
    with pytest.raises(InvalidInput):
        parse_frame(frame)
    with pytest.raises(jsonschema_rs.ValidationError):
        validate(asyncapi_document("1"), "socket", frame["type"], frame)
