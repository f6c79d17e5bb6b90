"""Server-sent events against a real stack."""

import json
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.servers import wait_until
from tests.stacks import FINAL, RunningStack

Event = tuple[int, dict[str, Any]]


def events(stack: RunningStack, job_id: str, last_id: int | None = None) -> Iterator[Event]:
    """The job events of one stream: the id, and the job."""
    headers = {} if last_id is None else {"Last-Event-ID": str(last_id)}
    with stack.http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers, timeout=60) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        name, number = "", -1
        for line in answer.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "id":
                number = int(value)
            elif field == "data":
                assert name == "job"
                yield number, json.loads(value)


def test_a_stream_begins_with_the_present_state_tells_every_change_and_ends_after_the_final_one(
    stack: RunningStack,
) -> None:
    told = list(events(stack, stack.submit(duration_s=1.0, steps=5)["id"]))
    assert all(number == job["seq"] for number, job in told)
    assert [number for number, _ in told] == sorted(number for number, _ in told)
    assert {job["status"] for _, job in told} >= {"running", "succeeded"}
    assert told[-1][1]["status"] == "succeeded"
    steps = [job["progress"] for number, job in told if job["status"] == "running"]
    assert steps == sorted(steps), "progress went backwards"
    assert len(steps) > 2, "no progress was told"


def test_a_stream_of_a_finished_job_is_its_final_state(stack: RunningStack) -> None:
    job = stack.finished(stack.submit()["id"])
    ((number, told),) = events(stack, job["id"])
    assert (number, told["status"]) == (job["seq"], "succeeded")


def test_a_resumed_stream_tells_nothing_again_that_was_seen(stack: RunningStack) -> None:
    job = stack.submit(duration_s=2.0)
    seen = next(event for event in events(stack, job["id"]) if event[1]["status"] == "running")
    later = list(events(stack, job["id"], seen[0]))
    marks = [(number, told["progress"]) for number, told in [seen, *later]]
    assert all(one < other for one, other in pairwise(marks)), marks
    assert later[-1][1]["status"] == "succeeded"


def test_a_resume_behind_the_final_state_is_answered_204_so_that_browsers_stop(stack: RunningStack) -> None:
    job = stack.finished(stack.submit()["id"])
    answer = stack.http.get(f"/v1/jobs/{job['id']}/events", headers={"Last-Event-ID": str(job["seq"])})
    assert answer.status_code == 204


@pytest.mark.parametrize("last_id", ["99999", "-1", "x", "9" * 40, ""])
def test_a_last_event_id_that_was_never_given_counts_for_nothing(stack: RunningStack, last_id: str) -> None:
    job = stack.finished(stack.submit()["id"])
    answer = stack.http.get(f"/v1/jobs/{job['id']}/events", headers={"Last-Event-ID": last_id})
    assert answer.status_code == 200
    assert "succeeded" in answer.text


def test_a_stream_of_no_job_is_404(stack: RunningStack) -> None:
    for job_id in ("nonsense", "01a20118-0000-7000-8000-000000000000"):
        assert stack.http.get(f"/v1/jobs/{job_id}/events").status_code == 404


def test_a_stream_ends_when_its_job_is_deleted(stack: RunningStack) -> None:
    job = stack.finished(stack.submit(fail="error", fail_times=9, duration_s=0)["id"])
    retried = stack.http.post(f"/v1/jobs/{job['id']}/retry").json()
    assert retried["status"] == "queued"
    told: list[Event] = []
    reader = threading.Thread(target=lambda: told.extend(events(stack, job["id"])))
    reader.start()
    stack.finished(job["id"])
    reader.join(60)
    assert not reader.is_alive()
    assert told[-1][1]["status"] in FINAL


def test_a_silent_stream_shows_a_sign_of_life_every_fifteen_seconds(stack: RunningStack) -> None:
    job = stack.submit(duration_s=60)
    stack.until_running(job["id"])
    started = time.monotonic()
    with stack.http.stream("GET", f"/v1/jobs/{job['id']}/events", timeout=40) as answer:
        comment = next(line for line in answer.iter_lines() if line.startswith(":"))
    assert comment
    assert 10 < time.monotonic() - started < 35
    stack.http.post(f"/v1/jobs/{job['id']}/cancel")


def test_streams_of_a_drained_process_end_and_do_not_hold_it_up(stack: RunningStack) -> None:
    job = stack.submit(duration_s=60)
    (process,) = stack.processes("api")
    with stack.http.stream("GET", f"/v1/jobs/{job['id']}/events", timeout=40) as answer:
        lines = answer.iter_lines()
        next(lines)
        process.terminate()
        started = time.monotonic()
        for _ in lines:
            pass
    assert time.monotonic() - started < 4, "the stream held the process up"
    wait_until(lambda: _answers(stack), "the API is back")
    stack.http.post(f"/v1/jobs/{job['id']}/cancel")


def _answers(stack: RunningStack) -> bool:
    try:
        return stack.http.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False
