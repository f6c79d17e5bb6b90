"""Hostile and mistaken requests: each a 4xx with a problem that names the fault, and nothing is stored."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.stacks import RunningStack


def job(**changes: Any) -> bytes:
    """A valid noop job with members replaced; a value of ... removes the member."""
    body = {"model": "noop", "input": {"prompt": "x"}} | changes
    return json.dumps({name: value for name, value in body.items() if value is not ...}).encode()


def noop(**given: Any) -> bytes:
    return job(input={"prompt": "x", **given})


def scenes(**given: Any) -> bytes:
    return job(model="scenes", input={"prompt": "x", **given})


DEEP = b'{"model":"noop","input":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}"

# The body, the status, and a word that the problem must say of the fault.
BODIES: list[tuple[str, bytes, int, str]] = [
    ("nothing", b"", 422, "JSON"),
    ("not JSON", b"{model: noop}", 422, "JSON"),
    ("half a JSON", b'{"model": "noop"', 422, "JSON"),
    ("two JSONs", b"{}{}", 422, "JSON"),
    ("an array", b"[]", 422, "object"),
    ("a string", b'"job"', 422, "object"),
    ("null", b"null", 422, "object"),
    ("bad UTF-8", b'{"model":"noop","input":{"prompt":"\xff\xfe"}}', 422, "UTF-8"),
    ("UTF-16", '{"model":"noop"}'.encode("utf-16"), 422, "UTF-8"),
    ("NaN", b'{"model":"noop","input":{"prompt":"x","duration_s":NaN}}', 422, "NaN"),
    ("Infinity", b'{"model":"noop","input":{"prompt":"x","duration_s":-Infinity}}', 422, "Infinity"),
    ("a float beyond all", b'{"model":"noop","input":{"prompt":"x","duration_s":1e999}}', 422, "1e999"),
    ("an integer beyond 64 bits", noop(seed=1 << 64), 422, "64 bits"),
    (
        "a huge integer",
        b'{"model":"noop","input":{"prompt":"x","seed":' + b"9" * 10_000 + b"}}",
        422,
        "64 bits",
    ),
    ("a huge integer in metadata", job(metadata={"n": -(1 << 63) - 1}), 422, "64 bits"),
    ("NUL in a prompt", job(input={"prompt": "a\0b"}), 422, "input.prompt"),
    ("NUL in a name", job(metadata={"a\0": 1}), 422, "metadata"),
    ("half a surrogate pair", b'{"model":"noop","input":{"prompt":"\\ud800"}}', 422, "input.prompt"),
    (
        "half a pair in metadata",
        b'{"model":"noop","input":{"prompt":"x"},"metadata":{"a":["\\udfff"]}}',
        422,
        "metadata",
    ),
    ("a name twice", b'{"model":"noop","model":"scenes","input":{"prompt":"x"}}', 422, "model"),
    ("nested without end", DEEP, 422, "nested"),
    ("an unknown field", job(colour="red"), 422, "colour"),
    ("no model", job(model=...), 422, "model"),
    ("a model that is a number", job(model=1), 422, "model"),
    ("an unknown model", job(model="nowhere"), 422, "model"),
    ("an unknown version", job(model="noop@99"), 422, "model"),
    ("a model that is a path", job(model="../../etc/passwd"), 422, "model"),
    ("no input", job(input=...), 422, "input"),
    ("an input that is text", job(input="x"), 422, "input"),
    ("an input that is null", job(input=None), 422, "input"),
    ("no prompt", job(input={}), 422, "input.prompt"),
    ("a prompt that is a number", job(input={"prompt": 5}), 422, "input.prompt"),
    ("a prompt that is null", job(input={"prompt": None}), 422, "input.prompt"),
    ("a prompt too long", job(input={"prompt": "x" * 20_000}), 422, "input.prompt"),
    ("an unknown input", noop(colour="red"), 422, "input.colour"),
    ("a wrong choice", noop(fail="explode"), 422, "input.fail"),
    ("text for a number", noop(duration_s="1"), 422, "input.duration_s"),
    ("true for an integer", noop(seed=True), 422, "input.seed"),
    ("a fraction for an integer", noop(steps=1.5), 422, "input.steps"),
    ("a negative seed", noop(seed=-1), 422, "input.seed"),
    ("a width of zero", scenes(width=0), 422, "input.width"),
    ("an absurd width", scenes(width=1 << 40), 422, "input.width"),
    ("an odd width", scenes(width=129), 422, "input.width"),
    ("an absurd height", scenes(height=100_000), 422, "input.height"),
    ("a thousand pictures", scenes(count=1000), 422, "input.count"),
    ("no steps", scenes(steps=0), 422, "input.steps"),
    ("a million steps", scenes(steps=1_000_000), 422, "input.steps"),
    ("negative guidance", scenes(guidance=-1), 422, "input.guidance"),
    ("an unknown priority", job(priority="urgent"), 422, "priority"),
    ("a priority that is a number", job(priority=1), 422, "priority"),
    ("a deadline without a zone", job(deadline="2030-01-01T00:00:00"), 422, "deadline"),
    ("a deadline that is no date", job(deadline="tomorrow"), 422, "deadline"),
    ("a deadline that is a number", job(deadline=12345), 422, "deadline"),
    ("a deadline before all time", job(deadline="0001-01-01T00:00:00+14:00"), 422, "deadline"),
    ("metadata that is a list", job(metadata=[]), 422, "metadata"),
    ("too much metadata", job(metadata={"a": "x" * 17_000}), 422, "metadata"),
    ("a webhook that is text", job(webhook="http://a"), 422, "webhook"),
    ("dependencies that are text", job(depends_on="x"), 422, "depends_on"),
    ("a huge body", job(metadata={"a": "x" * 2_000_000}), 413, "bytes"),
]

UNKNOWN_ID = "01900000-0000-7000-8000-000000000000"

CALLS: list[tuple[str, str, int, str]] = [
    ("GET", f"/v1/jobs/{UNKNOWN_ID}", 404, UNKNOWN_ID),
    ("GET", "/v1/jobs/1", 404, "1"),
    ("GET", "/v1/jobs/%00", 404, "job"),
    ("GET", "/v1/jobs/%ff%fe", 404, "job"),
    ("GET", f"/v1/jobs/{'9' * 5000}", 404, "999"),
    ("GET", f"/v1/jobs/{UNKNOWN_ID}?wait=-1", 422, "wait"),
    ("GET", f"/v1/jobs/{UNKNOWN_ID}?wait=nan", 422, "wait"),
    ("GET", f"/v1/jobs/{UNKNOWN_ID}?wait=1e9", 422, "wait"),
    ("GET", f"/v1/jobs/{UNKNOWN_ID}?wait=1&after=x", 422, "after"),
    ("GET", f"/v1/jobs/{UNKNOWN_ID}?wait=1&after=99999999999999999999", 422, "after"),
    ("GET", "/v1/jobs?limit=0", 422, "limit"),
    ("GET", "/v1/jobs?limit=100000", 422, "limit"),
    ("GET", "/v1/jobs?limit=ten", 422, "limit"),
    ("GET", "/v1/jobs?status=done", 422, "status"),
    ("GET", "/v1/jobs?since=yesterday", 422, "since"),
    ("GET", "/v1/jobs?since=99999999999d", 422, "since"),
    ("GET", "/v1/jobs?since=999999w", 422, "since"),
    ("GET", "/v1/jobs?cursor=!!!", 422, "cursor"),
    ("GET", "/v1/jobs?cursor=%C3%A9", 422, "cursor"),
    ("GET", "/v1/jobs?model=%00", 422, "model"),
    ("POST", f"/v1/jobs/{UNKNOWN_ID}/cancel", 404, UNKNOWN_ID),
    ("POST", f"/v1/jobs/{UNKNOWN_ID}/retry", 404, UNKNOWN_ID),
    ("DELETE", f"/v1/jobs/{UNKNOWN_ID}", 404, UNKNOWN_ID),
    ("DELETE", "/v1/jobs", 405, "Method Not Allowed"),
    ("PUT", f"/v1/jobs/{UNKNOWN_ID}", 405, "Method Not Allowed"),
    ("GET", "/v1/models/nowhere", 404, "nowhere"),
    ("GET", "/v1/artifacts/nothing.png", 404, "artifact"),
    ("GET", f"/v1/artifacts/{'0' * 64}.png", 404, "artifact"),
    ("GET", "/v1/artifacts/..%2f..%2fsafelight.db", 404, "Not Found"),
    ("GET", "/v2/jobs", 404, "Not Found"),
]


def stored(stack: RunningStack) -> set[str]:
    return {job["id"] for job in stack.http.get("/v1/jobs", params={"limit": 200}).json()["jobs"]}


def assert_problem(answer: Any, status: int, word: str) -> None:
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"]
    assert problem["title"]
    assert word in json.dumps(problem, ensure_ascii=False), problem


@pytest.mark.parametrize(("body", "status", "word"), [pytest.param(*rest, id=name) for name, *rest in BODIES])
def test_a_malformed_job_is_refused_with_its_fault_and_not_stored(
    stack: RunningStack, body: bytes, status: int, word: str
) -> None:
    before = stored(stack)
    assert_problem(stack.http.post("/v1/jobs", content=body), status, word)
    assert stored(stack) == before


@pytest.mark.parametrize(("method", "path", "status", "word"), CALLS)
def test_a_call_that_makes_no_sense_is_refused(
    stack: RunningStack, method: str, path: str, status: int, word: str
) -> None:
    assert_problem(stack.http.request(method, path), status, word)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"model":"noop","input":{"prompt":"x","duration_s":NaN}}', "#/input/duration_s"),
        (noop(seed=1 << 64), "#/input/seed"),
        (job(metadata={"a": [1, {"b": 1 << 63}]}), "#/metadata/a/1/b"),
        (b'{"model":"noop","input":{"prompt":"x","prompt":"y"}}', "#/input"),
        (b"{", "#/body"),
    ],
)
def test_what_is_no_plain_json_is_refused_by_the_name_of_its_field(
    stack: RunningStack, body: bytes, pointer: str
) -> None:
    faults = stack.http.post("/v1/jobs", content=body).json()["errors"]
    assert [fault["pointer"] for fault in faults] == [pointer]


def test_metadata_may_have_16_kib_as_it_was_sent(stack: RunningStack) -> None:
    for size, status in ((16_384, 202), (16_385, 422)):
        metadata = b'{"a":"' + b"x" * (size - 8) + b'"}'
        body = b'{"model":"noop","input":{"prompt":"x"},"metadata":' + metadata + b"}"
        assert stack.http.post("/v1/jobs", content=body).status_code == status


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
def test_an_idempotency_key_must_be_short_printable_text(stack: RunningStack, key: str) -> None:
    answer = stack.http.post("/v1/jobs", content=job(), headers={"Idempotency-Key": key})
    assert_problem(answer, 422, "Idempotency-Key")


def test_a_body_that_never_ends_is_cut_off(stack: RunningStack) -> None:
    def endless() -> Any:
        for _ in range(100):
            yield b" " * 65_536

    assert_problem(stack.http.post("/v1/jobs", content=endless()), 413, "bytes")


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: five\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_bytes_that_are_not_http_get_a_400_at_most(stack: RunningStack, bytes_sent: bytes) -> None:
    place = urlsplit(stack.url)
    with socket.create_connection((place.hostname, place.port), 10) as connection:
        connection.sendall(bytes_sent)
        answer = connection.recv(4096)
    assert not answer or answer.startswith(b"HTTP/1.1 400"), answer
    assert stack.http.get("/healthz").status_code == 200
