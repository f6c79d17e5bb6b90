"""What no official client sends: each a 4xx in that client's shape, and nothing is stored."""

import json
from typing import Any

import pytest

from tests.stacks import RunningStack

UNKNOWN = "01900000-0000-7000-8000-000000000000"

IMAGES: list[dict[str, Any]] = [
    {"prompt": "x", "model": 5},
    {"prompt": "x", "model": ["scenes"]},
    {"prompt": 5},
    {"prompt": "a\0b"},
    {"prompt": "x", "n": True},
    {"prompt": "x", "n": "2"},
    {"prompt": "x", "n": 2, "count": 2},
    {"prompt": "x", "size": 5},
    {"prompt": "x", "size": "0x0"},
    {"prompt": "x", "size": "99999999x1"},
    {"prompt": "x", "stream": "yes"},
    {"prompt": "x", "partial_images": 9},
    {"prompt": "x", "output_compression": 101},
    {"prompt": "x", "response_format": ["url"]},
    {"prompt": "x", "metadata": "none"},
    {"prompt": "x", "webhook": {"url": "http://10.0.0.1/"}},
    {"prompt": "x", "depends_on": [UNKNOWN]},
    {"prompt": "x", "seed": 1 << 63},
]

PREDICTIONS: list[dict[str, Any]] = [
    {},
    {"version": 5, "input": {"prompt": "x"}},
    {"version": "", "input": {"prompt": "x"}},
    {"version": "/", "input": {"prompt": "x"}},
    {"version": "a/b:c@d:e", "input": {"prompt": "x"}},
    {"version": "noop@1", "input": "x"},
    {"version": "noop@1", "input": {"prompt": "a\0b"}},
    {"version": "noop@1", "input": {"prompt": "x"}, "stream": 5},
    {"version": "noop@1", "input": {"prompt": "x"}, "webhook": "http://10.0.0.1/"},
    {"version": "noop@1", "input": {"prompt": "x"}, "webhook": "ftp://example.com/"},
    {"version": "noop@1", "input": {"prompt": "x"}, "webhook_events_filter": ["never"]},
    {"version": "noop@1", "input": {"prompt": "x"}, "colour": "red"},
]

CALLS = [
    ("GET", f"/openai/v1/videos/{UNKNOWN}"),
    ("GET", "/openai/v1/videos/%00"),
    ("GET", "/openai/v1/videos/%ff%fe/content"),
    ("GET", f"/openai/v1/videos/{UNKNOWN}/content?variant=all"),
    ("GET", "/openai/v1/videos?limit=0"),
    ("GET", "/openai/v1/videos?after=%00"),
    ("GET", "/openai/v1/videos?order=up"),
    ("DELETE", f"/openai/v1/videos/{UNKNOWN}"),
    ("POST", f"/openai/v1/videos/{UNKNOWN}/cancel"),
    ("GET", "/openai/v1/models/..%2f..%2fetc"),
    ("GET", "/openai/v1/images/..%2f..%2fsafelight.db/png"),
    ("GET", f"/openai/v1/images/{'0' * 64}.png/gif"),
    ("GET", f"/openai/v1/images/{'0' * 64}.png/webp"),
    ("GET", "/openai/v1/chat/completions"),
    ("PUT", "/openai/v1/images/generations"),
    ("GET", f"/replicate/v1/predictions/{UNKNOWN}"),
    ("GET", "/replicate/v1/predictions/%00/stream"),
    ("GET", "/replicate/v1/predictions?cursor=!!!"),
    ("POST", f"/replicate/v1/predictions/{UNKNOWN}/cancel"),
    ("GET", "/replicate/v1/models/a/%00"),
    ("GET", "/replicate/v1/models/a/noop/versions/2"),
    ("POST", "/replicate/v1/models/a/nowhere/predictions"),
    ("DELETE", "/replicate/v1/predictions"),
]


def stored(stack: RunningStack) -> set[str]:
    return {job["id"] for job in stack.http.get("/v1/jobs", params={"limit": 200}).json()["jobs"]}


def assert_refused(answer: Any, path: str) -> None:
    assert 400 <= answer.status_code < 500, answer.text
    if path.startswith("/openai"):
        assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
        assert answer.headers["x-should-retry"] == "false"
        assert answer.headers["x-request-id"]
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]


@pytest.mark.parametrize("body", IMAGES, ids=lambda body: json.dumps(body)[:60])
def test_a_wrong_wish_for_images_is_refused_and_not_stored(stack: RunningStack, body: dict[str, Any]) -> None:
    before = stored(stack)
    assert_refused(stack.http.post("/openai/v1/images/generations", json={"model": "noop"} | body), "/openai")
    assert stored(stack) == before


@pytest.mark.parametrize("body", PREDICTIONS, ids=lambda body: json.dumps(body)[:60])
def test_a_wrong_prediction_is_refused_and_not_stored(stack: RunningStack, body: dict[str, Any]) -> None:
    before = stored(stack)
    assert_refused(stack.http.post("/replicate/v1/predictions", json=body), "/replicate")
    assert stored(stack) == before


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_call_that_makes_no_sense_is_refused(stack: RunningStack, method: str, path: str) -> None:
    assert_refused(stack.http.request(method, path), path)


def test_odd_headers_and_words_do_no_harm(stack: RunningStack) -> None:
    body = {"model": "noop", "prompt": "x"}
    for patience in ("nan", "-1", "soon", "1e999"):
        answer = stack.http.post(
            "/openai/v1/images/generations", json=body, headers={"x-stainless-read-timeout": patience}
        )
        assert answer.status_code in (200, 504), answer.text
    found = stack.http.request("QUERY", "/replicate/v1/models", content=b"\xff\xfe\0")
    assert found.json()["results"] == []
