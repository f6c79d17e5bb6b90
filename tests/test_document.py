"""The job as clients see it: the fields of the contract, all of them and no others, that never disagree."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from api.shapes.documents import JobDocument
from jobs import lifecycle
from jobs.document import job_document, timestamp
from jobs.values import FINAL, Fault, Job, Output, Priority, Progress, Status, Submission

NOW = datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC)
ID = "0197a000-0000-7000-8000-000000000001"
FIELDS = {
    "id",
    "status",
    "model",
    "model_version",
    "priority",
    "input",
    "metadata",
    "progress",
    "step",
    "steps",
    "preview_url",
    "queue_position",
    "eta_s",
    "attempt",
    "max_attempts",
    "outputs",
    "error",
    "created_at",
    "started_at",
    "finished_at",
    "timings",
    "cost",
    "cached",
    "seq",
    "urls",
    "cancel_requested",
    "depends_on",
    "group",
    "made_by",
    "alias",
    "shadow_of",
    "replay_of",
    "context",
}
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
PICTURE = Output("ab.png", "ab", "image/png", 7, 16, 8, None, 3)


def job(status: Status = Status.QUEUED, **given: Any) -> Job:
    wanted = Submission(
        id=ID,
        tenant="secret-tenant",
        queue="a100",
        model="scenes",
        model_version="2",
        priority=Priority.BATCH,
        input={"prompt": "a pyramid", "seed": 7},
        metadata={"mine": [1]},
        batch_key="k",
        units=1,
        steps=8,
        max_attempts=3,
    )
    return replace(lifecycle.submit(wanted, NOW), status=status, **given)


def document(of: Job, progress: Progress | None = None, at: datetime = NOW) -> dict[str, Any]:
    return job_document(of, progress, now=at)


@pytest.mark.parametrize("status", list(Status))
def test_a_job_in_any_state_is_shown_with_exactly_the_contracts_fields(status: Status) -> None:
    shown = document(job(status))
    assert set(shown) == FIELDS
    assert set(shown["timings"]) == {"queued_s", "load_s", "run_s", "total_s"}
    assert shown["status"] == status.value


@pytest.mark.parametrize("status", list(Status))
def test_the_document_is_json_and_fits_the_published_schema(status: Status) -> None:
    fault = Fault("model_error", "It broke.", retryable=True)
    shown = document(job(status, outputs=(PICTURE,), error=fault, started_at=NOW, load_s=0.5, run_s=1.5))
    assert JobDocument.model_validate(json.loads(json.dumps(shown, allow_nan=False))).model_dump() == shown


def test_the_document_says_what_was_asked_and_nothing_about_where_it_runs() -> None:
    shown = document(job(worker="worker-7", attempt=2, seq=5, cancel_requested=True))
    assert (shown["id"], shown["model"], shown["model_version"], shown["priority"]) == (
        ID,
        "scenes",
        "2",
        "batch",
    )
    assert (shown["input"], shown["metadata"]) == ({"prompt": "a pyramid", "seed": 7}, {"mine": [1]})
    assert (shown["attempt"], shown["max_attempts"], shown["seq"]) == (2, 3, 5)
    assert shown["cancel_requested"] is True
    assert not [word for word in ("secret-tenant", "worker-7", "a100") if word in json.dumps(shown)]


def test_the_urls_are_those_of_the_job() -> None:
    assert document(job())["urls"] == {
        "self": f"/v1/jobs/{ID}",
        "events": f"/v1/jobs/{ID}/events",
        "cancel": f"/v1/jobs/{ID}/cancel",
        "retry": f"/v1/jobs/{ID}/retry",
    }


def test_an_output_is_shown_with_the_address_of_its_bytes_and_not_with_its_key() -> None:
    assert document(job(Status.SUCCEEDED, outputs=(PICTURE,)))["outputs"] == [
        {
            "url": "/v1/artifacts/ab.png",
            "media_type": "image/png",
            "bytes": 7,
            "sha256": "ab",
            "width": 16,
            "height": 8,
            "duration_s": None,
            "seed": 3,
        }
    ]


def test_an_error_is_a_code_a_message_and_whether_to_try_again() -> None:
    shown = document(job(Status.FAILED, error=Fault("out_of_memory", "No room.", retryable=True)))
    assert shown["error"] == {"code": "out_of_memory", "message": "No room.", "retryable": True}
    assert document(job())["error"] is None


def test_progress_counts_while_running_under_the_change_it_was_seen_under() -> None:
    shown = document(job(Status.RUNNING, seq=4), Progress(ID, seq=4, step=3, steps=12))
    assert (shown["progress"], shown["step"], shown["steps"]) == (0.25, 3, 12)


@pytest.mark.parametrize("seq", [3, 5])
def test_progress_seen_under_another_change_does_not_count(seq: int) -> None:
    shown = document(job(Status.RUNNING, seq=4), Progress(ID, seq=seq, step=3, steps=12))
    assert (shown["progress"], shown["step"], shown["steps"]) == (0.0, 0, 8)


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.RUNNING, Status.SUCCEEDED}))
def test_progress_does_not_count_unless_the_job_runs(status: Status) -> None:
    shown = document(job(status, seq=4), Progress(ID, seq=4, step=3, steps=12))
    assert (shown["progress"], shown["step"], shown["steps"]) == (0.0, 0, 8)


def test_a_preview_is_shown_while_the_job_runs_at_the_address_of_its_own_step() -> None:
    shown = document(job(Status.RUNNING, seq=4), Progress(ID, seq=4, step=5, steps=12, preview=3))
    assert shown["preview_url"] == f"/v1/jobs/{ID}/preview?step=3"
    assert document(job(Status.RUNNING, seq=4), Progress(ID, seq=4, step=5, steps=12))["preview_url"] is None


@pytest.mark.parametrize(("status", "seq"), [(Status.RUNNING, 3), (Status.QUEUED, 4), (Status.SUCCEEDED, 4)])
def test_a_preview_of_another_change_or_of_a_job_that_does_not_run_is_not_shown(status: Status, seq: int) -> None:
    shown = document(job(status, seq=4), Progress(ID, seq=seq, step=5, steps=12, preview=3))
    assert shown["preview_url"] is None


def test_a_job_that_succeeded_is_done_to_its_last_step() -> None:
    shown = document(job(Status.SUCCEEDED, seq=4), Progress(ID, seq=4, step=3, steps=12))
    assert (shown["progress"], shown["step"], shown["steps"]) == (1.0, 8, 8)


@pytest.mark.parametrize(("step", "steps", "fraction"), [(13, 12, 1.0), (1, 0, 0.0), (12, 12, 1.0)])
def test_progress_is_never_beyond_one_whatever_a_model_reports(step: int, steps: int, fraction: float) -> None:
    shown = document(job(Status.RUNNING, seq=4), Progress(ID, seq=4, step=step, steps=steps))
    assert shown["progress"] == fraction


def test_times_are_rfc_3339_in_utc_always_with_microseconds() -> None:
    shown = document(job(Status.SUCCEEDED, started_at=NOW, finished_at=NOW + timedelta(microseconds=5)))
    assert shown["created_at"] == shown["started_at"] == "2030-05-06T07:08:09.000000Z"
    assert shown["finished_at"] == "2030-05-06T07:08:09.000005Z"
    assert all(RFC_3339.fullmatch(shown[name]) for name in ("created_at", "started_at", "finished_at"))


def test_a_moment_of_another_time_zone_is_shown_in_utc_and_none_stays_none() -> None:
    moment = datetime(2030, 5, 6, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert timestamp(moment) == "2030-05-05T23:00:00.000000Z"
    assert timestamp(None) is None


def test_a_waiting_jobs_timings_grow_with_the_clock() -> None:
    shown = document(job(), at=NOW + timedelta(seconds=2.5))
    assert shown["timings"] == {"queued_s": 2.5, "load_s": None, "run_s": None, "total_s": 2.5}


def test_a_finished_jobs_timings_stand_still() -> None:
    ended = job(
        Status.SUCCEEDED,
        started_at=NOW + timedelta(seconds=1),
        finished_at=NOW + timedelta(seconds=4),
        load_s=0.5,
        run_s=2.25,
    )
    expected = {"queued_s": 1.0, "load_s": 0.5, "run_s": 2.25, "total_s": 4.0}
    assert document(ended, at=NOW + timedelta(days=1))["timings"] == expected


def test_a_job_that_ended_without_being_started_waited_until_its_end() -> None:
    ended = job(Status.CANCELED, finished_at=NOW + timedelta(seconds=3))
    assert document(ended, at=NOW + timedelta(days=1))["timings"]["queued_s"] == 3.0


@pytest.mark.parametrize("status", sorted(FINAL | {Status.QUEUED, Status.RUNNING}))
def test_no_timing_is_negative_though_clocks_of_machines_disagree(status: Status) -> None:
    earlier = NOW - timedelta(seconds=5)
    times = {"started_at": earlier, "finished_at": earlier if status in FINAL else None}
    timings = document(job(status, **times), at=earlier)["timings"]
    assert (timings["queued_s"], timings["total_s"]) == (0.0, 0.0)
