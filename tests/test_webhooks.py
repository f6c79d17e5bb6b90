"""Webhooks from a submit to a receiver, through a real stack: signed, tried again, given up, delivered once more."""

import json
import os
import subprocess
from collections.abc import Iterator

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from api.shapes.documents import (
    DeliveryDocument,
    DeliveryPageDocument,
    JobDocument,
)
from tests.hooks import SETTINGS, TRIES, deliveries, secret, settled, submit
from tests.receivers import Receiver
from tests.servers import free_port, wait_until
from tests.stacks import SAFELIGHT, RunningStack, running_stack
from tests.test_command import answer, run


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack that may call this machine, and gives up soon."""
    with running_stack(tmp_path_factory.mktemp("hooks") / "data", **SETTINGS) as stack:
        yield stack


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
