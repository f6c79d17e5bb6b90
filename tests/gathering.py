"""Groups as a client submits and follows them."""

import time
from typing import Any

import httpx

from api.shapes.groups import GroupDocument
from tests.stacks import RunningStack

ENDED = {"succeeded", "partial", "failed", "canceled"}
NOOP = {"model": "noop", "input": {"prompt": "x"}}


def post(stack: RunningStack, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    return stack.http.post("/v1/groups", json=body, headers={"Cache-Control": "no-cache", **(headers or {})})


def gather(stack: RunningStack, **body: Any) -> dict[str, Any]:
    answer = post(stack, **body)
    assert answer.status_code == 202, answer.text
    group: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/groups/{group['id']}"
    return group


def ended(stack: RunningStack, group: dict[str, Any], seconds: float = 240.0) -> dict[str, Any]:
    give_up_at = time.monotonic() + seconds
    while True:
        found: dict[str, Any] = stack.http.get(f"/v1/groups/{group['id']}", params={"wait": 10}).json()
        if found["status"] in ENDED:
            GroupDocument.model_validate(found)
            return found
        assert time.monotonic() < give_up_at, found


def fan_out(seeds: list[int], **given: Any) -> dict[str, Any]:
    return {"input": {"prompt": "four of them", **given}, "models": ["noop"], "seeds": seeds}


def statuses(group: dict[str, Any]) -> list[str]:
    return [member["status"] for member in group["members"]]
