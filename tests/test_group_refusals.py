"""Groups that are refused: with the fault of each field, and nothing of them stored."""

import json
from typing import Any

import pytest

from tests.gathering import NOOP, fan_out, post
from tests.stacks import RunningStack


def named(name: Any, **more: Any) -> dict[str, Any]:
    return {**NOOP, "name": name, **more}


LONELY = "01900000-0000-7000-8000-000000000000"

REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("nothing", {}, "members or fan_out"),
    ("both", {"members": [NOOP], "fan_out": fan_out([1])}, "members or fan_out"),
    ("nobody", {"members": []}, "members"),
    ("too many", {"members": [NOOP] * 201}, "members"),
    ("too many of a product", {"fan_out": {**fan_out(list(range(101))), "models": ["noop", "noop@1"]}}, "fan_out"),
    ("an unknown field", {"members": [NOOP], "colour": "red"}, "colour"),
    ("a member that is text", {"members": ["noop"]}, "members.0"),
    ("a bad member", {"members": [NOOP, {**NOOP, "input": {"prompt": "x", "steps": 0}}]}, "members.1.input.steps"),
    ("an unknown model", {"members": [NOOP, NOOP, {**NOOP, "model": "nowhere"}]}, "members.2.model"),
    ("a bad seed", {"fan_out": fan_out([1, -1])}, "fan_out.input.seed"),
    ("a name twice", {"members": [named("a"), named("a")]}, "members.1.name"),
    ("a name that is a number", {"members": [named(7)]}, "members.0.name"),
    ("a name with a space", {"members": [named("a b")]}, "members.0.name"),
    ("a circle", {"members": [named("a", depends_on=["b"]), named("b", depends_on=["a"])]}, "members.0.depends_on"),
    ("itself", {"members": [NOOP, named("a", depends_on=["a"])]}, "members.1.depends_on"),
    ("a name of nobody", {"members": [named("a", depends_on=["c"])]}, "members.0.depends_on"),
    ("a job of nobody", {"members": [NOOP, named("a", depends_on=[LONELY])]}, "members.1.depends_on"),
    ("too many first", {"members": [NOOP], "join": {"first": 2}}, "join.first"),
    ("none first", {"members": [NOOP], "join": {"first": 0}}, "join.first"),
    ("an unknown join", {"members": [NOOP], "join": "some"}, "join"),
    ("two joins", {"members": [NOOP], "join": {"first": 1, "best": {"metric": "x"}}}, "join"),
    ("a metric that is no path", {"members": [NOOP], "join": {"best": {"metric": "../x"}}}, "join.best.metric"),
    ("an unknown policy", {"members": [NOOP], "on_member_failure": "shrug"}, "on_member_failure"),
    ("a deadline that is none", {"members": [NOOP], "deadline": "soon"}, "deadline"),
    ("a webhook into here", {"members": [NOOP], "webhook": {"url": "http://10.0.0.1/"}}, "webhook.url"),
    (
        "a webhook of a start",
        {"members": [NOOP], "webhook": {"url": "http://a.b/", "events": ["started"]}},
        "webhook",
    ),
]


@pytest.mark.parametrize(("body", "field"), [pytest.param(*rest, id=name) for name, *rest in REFUSALS])
def test_a_group_with_anything_wrong_is_refused_with_its_fault_and_nothing_of_it_stored(
    stack: RunningStack, body: dict[str, Any], field: str
) -> None:
    before = stack.http.get("/v1/jobs").json()["jobs"][:1]
    answer = post(stack, **body)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    named_fields = {fault["field"] for fault in problem.get("errors", [])}
    assert field in named_fields or field in json.dumps(problem), problem
    assert stack.http.get("/v1/jobs").json()["jobs"][:1] == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/v1/groups/{LONELY}", 404),
        ("GET", "/v1/groups/1", 404),
        ("GET", f"/v1/groups/{LONELY}/events", 404),
        ("GET", f"/v1/groups/{LONELY}?wait=x", 422),
        ("GET", "/v1/groups?status=done", 422),
        ("GET", "/v1/groups?cursor=!!!", 422),
        ("POST", f"/v1/groups/{LONELY}/cancel", 404),
        ("POST", f"/v1/groups/{LONELY}/retry", 404),
        ("DELETE", f"/v1/groups/{LONELY}", 404),
    ],
)
def test_a_call_on_a_group_that_makes_no_sense_is_refused(
    stack: RunningStack, method: str, path: str, status: int
) -> None:
    answer = stack.http.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
