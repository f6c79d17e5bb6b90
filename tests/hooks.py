"""Webhooks as a user sees them: submit with one, list its deliveries, read the secret."""

from typing import Any

from api.shapes.documents import (
    DeliveryListDocument,
)
from tests.servers import wait_until
from tests.stacks import RunningStack

TRIES = 4

SETTINGS = {
    "SAFELIGHT_WEBHOOK_ALLOW": "127.0.0.0/8",
    "SAFELIGHT_WEBHOOK_TIMEOUT_S": "2",
    "SAFELIGHT_WEBHOOK_WAITS_S": ",".join(["0.1"] * (TRIES - 1)),
}


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
