"""The parts of the Python client that need no server: decoding, patience, what counts as news."""

import itertools
import random
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.document import job_document
from safelight_client import InvalidInput, Output, Problem, Unavailable, UnexpectedAnswer
from safelight_client.calls import JobOptions, calls_to, job_body, job_headers
from safelight_client.errors import problem_of
from safelight_client.event_stream import Event, EventDecoder
from safelight_client.exchange import read_job
from safelight_client.patience import Patience
from safelight_client.values import job_of
from safelight_client.watching import Sight
from tests.test_document import NOW, job

STREAM = ': hello\n\nevent: job\r\nid: 3\rdata: {"a":\ndata: "x\u2028y"}\n\nid: 4\nretry: 10\n\ndata:z\n\n'.encode()
EVENTS = [Event("job", '{"a":\n"x\u2028y"}', "3"), Event("message", "z", "4")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_events_are_the_same_however_the_stream_is_cut(cuts: list[int]) -> None:
    decoder = EventDecoder()
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in itertools.pairwise(edges)]
    assert [event for piece in pieces for event in decoder.feed(piece)] == EVENTS
    assert decoder.last_id == "4"


def test_a_new_connection_forgets_a_half_sent_event_and_keeps_the_last_id() -> None:
    decoder = EventDecoder()
    decoder.feed(b"id: 7\ndata: whole\n\nid: 8\ndata: ha")
    decoder.restart()
    assert decoder.last_id == "7"
    assert decoder.feed(b"data: new\n\n") == [Event("message", "new", "7")]


def test_pauses_double_with_jitter_and_end_when_patience_does() -> None:
    clock = 0.0
    patience = Patience(60, clock=lambda: clock, chance=random.Random(1).random)
    pauses = []
    while (pause := patience.pause()) is not None:
        pauses.append(pause)
        clock += pause
    assert all(0.5 <= pause / min(8.0, 0.25 * 2**number) <= 1.0 for number, pause in enumerate(pauses))
    assert 50 < clock <= 60
    patience.renew()
    assert patience.pause() is not None


def test_retry_after_is_honoured_and_bounded() -> None:
    assert 5.0 < (Patience(60, chance=lambda: 0.0).pause(5.0) or 0) <= 5.25
    assert 30.0 < (Patience(60, chance=lambda: 0.0).pause(86_400) or 0) <= 30.25
    assert Patience(10).pause(20.0) is None, "no use in waiting past the end"


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4)), max_size=30), st.booleans())
def test_what_is_shown_never_goes_back(arrivals: list[tuple[int, int]], known: bool) -> None:
    jobs = [job_of({**document(), "seq": seq, "progress": quarter / 4}) for seq, quarter in arrivals]
    sight = Sight(jobs[0] if known and jobs else None)
    shown = [(one.seq, one.progress) for one in jobs if sight.admit(one)]
    assert shown == sorted(set(shown))
    assert not jobs or max((one.seq, one.progress) for one in jobs) in shown


def test_a_new_place_in_the_queue_is_news_and_a_growing_wait_is_not() -> None:
    sight = Sight()
    assert sight.admit(job_of(document()))
    assert not sight.admit(job_of({**document(), "timings": {"queued_s": 9.0}}))
    assert sight.admit(job_of({**document(), "queue_position": 3}))


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("7", 7.0), ("Sun, 01 Nov 2026 12:00:30 GMT", 30.0), ("soon", None), ("-3", 0.0), (None, None)],
)
def test_retry_after_is_seconds_or_a_date(retry_after: str | None, seconds: float | None) -> None:
    headers = {"Retry-After": retry_after} if retry_after else {}
    problem = problem_of(httpx.Response(503, headers=headers), datetime(2026, 11, 1, 12, tzinfo=UTC))
    assert (type(problem), problem.retry_after) == (Unavailable, seconds)


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"[1]", b"\xff\xfe", b""])
def test_a_refusal_in_other_words_than_ours_is_a_problem_too(body: bytes) -> None:
    problem = problem_of(httpx.Response(502, content=body))
    assert (type(problem), problem.status, problem.title) == (Problem, 502, "Bad Gateway")
    assert type(problem_of(httpx.Response(422, json={"errors": None}))) is InvalidInput


@pytest.mark.parametrize("answer", [{}, {"id": "x"}, [], None, {"id": 1, "outputs": 7}])
def test_what_is_no_job_is_said_to_be_none(answer: Any) -> None:
    with pytest.raises(UnexpectedAnswer):
        read_job(answer)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("/v1/artifacts/a.png", True),
        ("http://here.example/v1/artifacts/a.png", True),
        ("http://elsewhere.example/a.png", False),
        ("https://here.example/a.png", False),
        ("@elsewhere.example/a.png", False),
    ],
)
def test_the_key_is_told_to_its_server_and_to_nobody_else(url: str, told: bool) -> None:
    call = calls_to("http://here.example:80/", "secret", 30).download(Output(url, "image/png", 1, "0"))
    assert ("Authorization" in call.headers) == told


def test_only_what_was_given_is_sent() -> None:
    assert job_body("noop", None, {"prompt": "x"}) == {"model": "noop", "input": {"prompt": "x"}}
    beside: JobOptions = {"prompt": "x", "fresh": True, "sticky": "me"}
    assert job_body("noop", None, beside) == {"model": "noop", "input": {"prompt": "x"}}
    said = {"Idempotency-Key": "k", "Cache-Control": "no-cache", "Safelight-Sticky": "me"}
    assert job_headers(beside, "k") == said
    body = job_body("noop", {"a": 1}, {"priority": None, "deadline": NOW, "webhook": "https://example.org/hook"})
    assert body == {
        "model": "noop",
        "input": {"a": 1},
        "deadline": NOW.isoformat(),
        "webhook": {"url": "https://example.org/hook", "events": ["completed"]},
    }


def document() -> dict[str, Any]:
    return job_document(job(), now=NOW)
