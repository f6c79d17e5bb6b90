"""Webhooks from a submit to a receiver, through a real stack: signed, tried again, given up, delivered once more."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from api.documents import (
    DeliveryDocument,
    DeliveryListDocument,
    DeliveryPageDocument,
    JobDocument,
)
from tests.receivers import Receiver, raw_receiver
from tests.servers import free_port, wait_until
from tests.stacks import SAFELIGHT, RunningStack, running_stack
from tests.test_command import answer, run

TRIES = 4
SETTINGS = {
    "SAFELIGHT_WEBHOOK_ALLOW": "127.0.0.0/8",
    "SAFELIGHT_WEBHOOK_TIMEOUT_S": "2",
    "SAFELIGHT_WEBHOOK_WAITS_S": ",".join(["0.1"] * (TRIES - 1)),
}


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack that may call this machine, and gives up soon."""
    with running_stack(tmp_path_factory.mktemp("hooks") / "data", **SETTINGS) as stack:
        yield stack


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def submit(stack: RunningStack, url: str, *events: str, **given: Any) -> str:
    webhook = {"url": url, **({"events": list(events)} if events else {})}
    body = {"model": "noop", "input": {"prompt": "a test", **given}, "webhook": webhook}
    answered = stack.http.post("/v1/jobs", json=body)
    assert answered.status_code == 202, answered.text
    job_id: str = answered.json()["id"]
    return job_id


def deliveries(stack: RunningStack, **chosen: Any) -> list[dict[str, Any]]:
    """Newest first, as the API lists them."""
    answered = stack.http.get("/v1/webhooks/deliveries", params=chosen)
    assert answered.status_code == 200, answered.text
    return DeliveryListDocument.model_validate(answered.json()).model_dump()["deliveries"]  # type: ignore[no-any-return]


def settled(stack: RunningStack, job_id: str, status: str = "delivered") -> dict[str, Any]:
    """The job's only delivery, once it has that status."""
    wait_until(lambda: [one["status"] for one in deliveries(stack, job=job_id)] == [status], f"it is {status}")
    (delivery,) = deliveries(stack, job=job_id)
    return delivery


def secret(stack: RunningStack) -> str:
    answered = stack.http.get("/v1/webhooks/default/secret")
    assert answered.headers["cache-control"] == "no-store"
    key: str = answered.json()["key"]
    return key


def test_start_and_end_of_a_job_are_delivered_and_signed(hooks: RunningStack, receiver: Receiver) -> None:
    job_id = submit(hooks, receiver.url, "started", "completed")
    wait_until(lambda: len(receiver.received) == 2, "both are there")
    said = {}
    for request in receiver.received:
        payload = Webhook(secret(hooks)).verify(request.body, dict(request.headers))
        JobDocument.model_validate(payload["data"])
        said[payload["type"]] = payload["data"]["status"]
        with pytest.raises(WebhookVerificationError):
            Webhook(secret(hooks)).verify(request.body.replace(b"a test", b"a best"), dict(request.headers))
        assert request.headers["content-type"] == "application/json"
    assert said == {"job.started": "running", "job.completed": "succeeded"}
    wait_until(lambda: len(deliveries(hooks, job=job_id, status="delivered")) == 2, "both are settled")
    listed = {one["id"] for one in deliveries(hooks, job=job_id)}
    assert listed == {request.headers["webhook-id"] for request in receiver.received}


def test_without_events_only_the_end_is_delivered_and_without_a_webhook_nothing(
    hooks: RunningStack, receiver: Receiver
) -> None:
    job_id = submit(hooks, receiver.url, fail="error")
    quiet = hooks.finished(hooks.submit()["id"])
    settled(hooks, job_id)
    (request,) = receiver.received
    payload = json.loads(request.body)
    assert (payload["type"], payload["data"]["status"]) == ("job.completed", "failed")
    assert deliveries(hooks, job=quiet["id"]) == []


def test_a_canceled_job_is_announced_by_whoever_canceled_it(hooks: RunningStack, receiver: Receiver) -> None:
    held = submit(hooks, receiver.url, duration_s=30.0, steps=300)
    queued = submit(hooks, receiver.url)
    for job_id in (queued, held):
        hooks.http.post(f"/v1/jobs/{job_id}/cancel")
    for job_id in (queued, held):
        settled(hooks, job_id)
    assert {json.loads(request.body)["data"]["status"] for request in receiver.received} == {"canceled"}


def test_a_receiver_that_fails_is_tried_again_with_the_same_id_and_body(hooks: RunningStack) -> None:
    with Receiver(500, 429, 204) as receiver:
        delivery = settled(hooks, submit(hooks, receiver.url))
    assert (delivery["tries"], delivery["last_status"], delivery["last_error"]) == (3, 204, None)
    assert {request.headers["webhook-id"] for request in receiver.received} == {delivery["id"]}
    assert len({request.body for request in receiver.received}) == 1
    for request in receiver.received:
        Webhook(secret(hooks)).verify(request.body, dict(request.headers))


def test_one_that_says_gone_is_not_tried_again(hooks: RunningStack) -> None:
    with Receiver(410) as receiver:
        delivery = settled(hooks, submit(hooks, receiver.url), "dead")
    assert (delivery["tries"], delivery["last_status"], len(receiver.received)) == (1, 410, 1)


def test_a_redirect_is_a_failed_try_and_after_the_last_one_the_delivery_is_dead(
    hooks: RunningStack, receiver: Receiver
) -> None:
    with Receiver((302, {"Location": receiver.url})) as detour:
        delivery = settled(hooks, submit(hooks, detour.url), "dead")
        assert (delivery["tries"], delivery["last_status"]) == (TRIES, 302)
        assert len(detour.received) == TRIES
    assert receiver.received == []


def test_dead_deliveries_are_delivered_again_by_id_or_by_filter(hooks: RunningStack) -> None:
    receiver = Receiver(port=free_port())
    first, second = (settled(hooks, submit(hooks, receiver.url), "dead") for _ in range(2))
    assert "refused" in first["last_error"]
    with receiver:
        again = hooks.http.post(first["urls"]["redeliver"])
        assert DeliveryDocument.model_validate(again.json()).status == "pending"
        assert settled(hooks, first["job_id"])["tries"] == 1
        wanted = {"status": "dead", "since": "1h", "job": second["job_id"]}
        path = "/v1/webhooks/deliveries/redeliver"
        dry = hooks.http.post(path, json=wanted | {"dry_run": True})
        assert dry.json() == {"deliveries": 1, "dry_run": True}
        assert settled(hooks, second["job_id"], "dead")
        assert hooks.http.post(path, json=wanted).json() == {"deliveries": 1, "dry_run": False}
        settled(hooks, second["job_id"])
    assert [request.headers["webhook-id"] for request in receiver.received] == [first["id"], second["id"]]


def test_after_a_rotation_either_secret_verifies(hooks: RunningStack, receiver: Receiver) -> None:
    old = secret(hooks)
    new = hooks.http.post("/v1/webhooks/default/secret/rotate").json()["key"]
    assert new == secret(hooks) != old
    settled(hooks, submit(hooks, receiver.url))
    (request,) = receiver.received
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    for key in (old, new):
        Webhook(key).verify(request.body, dict(request.headers))


def test_a_delivery_is_shown_with_the_body_that_was_sent(hooks: RunningStack, receiver: Receiver) -> None:
    delivery = settled(hooks, submit(hooks, receiver.url))
    shown = DeliveryPageDocument.model_validate(hooks.http.get(delivery["urls"]["self"]).json())
    assert shown.body.encode() == receiver.received[0].body
    assert shown.url == receiver.url


def test_a_receiver_that_never_answers_delays_nobody_else(tmp_path: Path, receiver: Receiver) -> None:
    def keep_silent(_: socket.socket, over: threading.Event) -> None:
        over.wait()

    settings = SETTINGS | {"SAFELIGHT_COURIER_THREADS": "2", "SAFELIGHT_WEBHOOK_TIMEOUT_S": "20"}
    with (
        running_stack(tmp_path / "data", **settings) as stack,
        raw_receiver(keep_silent, "127.0.0.2") as (silent, heard),
    ):
        stuck = [submit(stack, silent) for _ in range(4)]
        for job_id in stuck:
            stack.finished(job_id)
        wait_until(lambda: heard != [], "one of them is under way")
        settled(stack, submit(stack, receiver.url))
        assert len(heard) == 1
        assert all(deliveries(stack, job=job_id)[0]["status"] == "pending" for job_id in stuck)


def test_what_a_down_receiver_missed_arrives_once_it_is_back_although_the_api_was_killed(tmp_path: Path) -> None:
    receiver = Receiver(port=free_port())
    patient = SETTINGS | {"SAFELIGHT_WEBHOOK_WAITS_S": ",".join(["0.5"] * 500)}
    with running_stack(tmp_path / "data", **patient) as stack:
        job_id = submit(stack, receiver.url)
        stack.finished(job_id)
        wait_until(lambda: deliveries(stack, job=job_id)[0]["tries"] >= 2, "it was tried in vain")
        stack.kill("api")
        with receiver:
            wait_until(lambda: receiver.received != [], "it is delivered")
            wait_until(lambda: _answers(stack), "the API is back")
            delivery = settled(stack, job_id)
            assert [request.headers["webhook-id"] for request in receiver.received] == [delivery["id"]]


def test_a_courier_that_is_killed_in_the_middle_of_a_delivery_is_followed_by_another(tmp_path: Path) -> None:
    answering = threading.Event()

    def answer_late(connection: socket.socket, over: threading.Event) -> None:
        if answering.is_set():
            connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        over.wait()

    with (
        running_stack(tmp_path / "data", **SETTINGS) as stack,
        raw_receiver(answer_late) as (url, heard),
    ):
        job_id = submit(stack, url)
        wait_until(lambda: heard != [], "the first try is under way")
        stack.kill("courier")
        answering.set()
        delivery = settled(stack, job_id)
        assert delivery["tries"] == 2
        assert all(f"webhook-id: {delivery['id']}".encode() in request for request in heard)
        assert len(heard) == 2


def test_two_couriers_deliver_everything_once(hooks: RunningStack, receiver: Receiver) -> None:
    known = json.loads((hooks.folder / "stack.json").read_text())
    settings = {f"SAFELIGHT_{name.upper()}": known[name] for name in ("database_url", "broker_url")}
    second = subprocess.Popen([SAFELIGHT, "courier"], env=os.environ | SETTINGS | settings, cwd=hooks.folder)
    try:
        jobs = [submit(hooks, receiver.url, "started", "completed") for _ in range(40)]
        for job_id in jobs:
            wait_until(lambda job_id=job_id: len(deliveries(hooks, job=job_id, status="delivered")) == 2, "delivered")
    finally:
        second.terminate()
        second.wait(30)
    ids = [request.headers["webhook-id"] for request in receiver.received]
    assert len(ids) == len(set(ids)) == 80


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254",
        "http://127.0.0.1:6379",
        "http://[::1]:8000/",
        "http://[::ffff:127.0.0.1]/",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "ftp://example.com/",
        "https://user:password@example.com/",
        "https://example.com/" + "a" * 2_000,
        "",
    ],
)
def test_a_webhook_that_could_never_be_delivered_is_refused_at_submit(stack: RunningStack, url: str) -> None:
    body = {"model": "noop", "input": {"prompt": "x"}, "webhook": {"url": url}}
    refused = stack.http.post("/v1/jobs", json=body)
    assert refused.status_code == 422
    assert [fault["field"] for fault in refused.json()["errors"]] == ["webhook.url"]


@pytest.mark.parametrize(
    ("webhook", "field"),
    [
        ({}, "webhook.url"),
        ({"url": 7}, "webhook.url"),
        ("https://example.com/", "webhook"),
        ({"url": "https://example.com/", "events": []}, "webhook.events"),
        ({"url": "https://example.com/", "events": ["done"]}, "webhook.events.0"),
        ({"url": "https://example.com/", "secret": "x"}, "webhook.secret"),
    ],
)
def test_a_malformed_webhook_is_refused_and_the_field_is_named(stack: RunningStack, webhook: Any, field: str) -> None:
    refused = stack.http.post("/v1/jobs", json={"model": "noop", "input": {"prompt": "x"}, "webhook": webhook})
    assert refused.status_code == 422
    assert [fault["field"] for fault in refused.json()["errors"]] == [field]


def test_a_name_that_resolves_to_a_private_address_is_refused_at_delivery(
    stack: RunningStack, receiver: Receiver
) -> None:
    job_id = submit(stack, f"http://localhost:{receiver.port}/")
    wait_until(lambda: bool(_last_error(stack, job_id)), "it was tried")
    assert "does not call" in _last_error(stack, job_id)
    assert receiver.received == []
    stack.http.delete(f"/v1/jobs/{job_id}")
    assert deliveries(stack, job=job_id) == []


@pytest.mark.parametrize("path", ["nothing", "0197a000-0000-7000-8000-000000000001"])
def test_a_delivery_that_is_not_there_is_answered_404(stack: RunningStack, path: str) -> None:
    assert stack.http.get(f"/v1/webhooks/deliveries/{path}").status_code == 404
    assert stack.http.post(f"/v1/webhooks/deliveries/{path}/redeliver").status_code == 404


@pytest.mark.parametrize("query", ["status=gone", "job=x", "since=x", "cursor=x", "limit=0", "job=%00"])
def test_a_wrong_parameter_is_answered_422(stack: RunningStack, query: str) -> None:
    assert stack.http.get(f"/v1/webhooks/deliveries?{query}").status_code == 422


@pytest.mark.parametrize("body", [{"status": "pending"}, {"since": "x"}, {"job": "x"}, {"all": True}, {"dry_run": 1}])
def test_a_wrong_filter_redelivers_nothing(stack: RunningStack, body: dict[str, Any]) -> None:
    assert stack.http.post("/v1/webhooks/deliveries/redeliver", json=body).status_code == 422


def test_the_command_lists_shows_redelivers_and_rotates(hooks: RunningStack) -> None:
    receiver = Receiver(port=free_port())
    dead = settled(hooks, submit(hooks, receiver.url), "dead")
    job_id = dead["job_id"]
    assert [one["id"] for one in answer("webhooks", "list", "--job", job_id, url=hooks.url)["deliveries"]] == [
        dead["id"]
    ]
    assert dead["id"] in run("webhooks", "list", "--status", "dead", url=hooks.url).stdout
    assert answer("webhooks", "show", dead["id"], url=hooks.url)["last_error"] == dead["last_error"]
    assert "job.completed" in run("webhooks", "show", dead["id"], url=hooks.url).stdout
    counted = answer("webhooks", "redeliver", "--dead", "--job", job_id, "--dry-run", url=hooks.url)
    assert counted == {"deliveries": 1, "dry_run": True}
    with receiver:
        assert run("webhooks", "redeliver", "--dead", "--job", job_id, "--yes", url=hooks.url).returncode == 0
        settled(hooks, job_id)
        assert run("webhooks", "redeliver", dead["id"], url=hooks.url).returncode == 0
        wait_until(lambda: len(receiver.received) == 2, "it came again")
    key = answer("webhooks", "rotate", "--keep-h", "1", url=hooks.url)["key"]
    assert run("webhooks", "secret", url=hooks.url).stdout.strip() == key


def test_the_command_refuses_what_it_cannot_do(stack: RunningStack) -> None:
    assert run("webhooks", "redeliver", url=stack.url).returncode == 2
    assert run("webhooks", "redeliver", "x", "--dead", url=stack.url).returncode == 2
    assert run("webhooks", "show", "x", url=stack.url).returncode == 1
    assert run("webhooks", "redeliver", "x", url=stack.url).returncode == 1


def _answers(stack: RunningStack) -> bool:
    try:
        return stack.http.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def _last_error(stack: RunningStack, job_id: str) -> str:
    return "".join(one["last_error"] or "" for one in deliveries(stack, job=job_id))
