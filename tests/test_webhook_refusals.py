"""What is refused of webhooks, at submit, at delivery and over the API."""

from typing import Any

import pytest

from tests.hooks import deliveries, submit
from tests.receivers import Receiver
from tests.servers import wait_until
from tests.stacks import RunningStack
from tests.test_command import run


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


def test_the_command_refuses_what_it_cannot_do(stack: RunningStack) -> None:
    assert run("webhooks", "redeliver", url=stack.url).returncode == 2
    assert run("webhooks", "redeliver", "x", "--dead", url=stack.url).returncode == 2
    assert run("webhooks", "show", "x", url=stack.url).returncode == 1
    assert run("webhooks", "redeliver", "x", url=stack.url).returncode == 1


def _last_error(stack: RunningStack, job_id: str) -> str:
    return "".join(one["last_error"] or "" for one in deliveries(stack, job=job_id))
