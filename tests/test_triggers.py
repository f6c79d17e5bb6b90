"""Triggers as their users see them, through a real stack: signed requests, files, the command."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from api.shapes.automation import (
    NewTriggerDocument,
    TriedTriggerDocument,
    TriggerDocument,
    TriggerListDocument,
)
from api.shapes.documents import JobDocument, ProblemDocument
from api.shapes.groups import GroupDocument
from tests.servers import wait_until
from tests.stacks import RunningStack, running_stack
from tests.test_command import answer, run

JOB = {"model": "noop", "input": {"prompt": "at ${schedule.tick}"}, "metadata": {"tick": "${schedule.tick}"}}
HELLO = {"model": "noop", "input": {"prompt": "hello ${body.who}", "seed": "${body.seed}"}}
UNKNOWN = "01900000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inbox")


@pytest.fixture(scope="module")
def clockwork(tmp_path_factory: pytest.TempPathFactory, inbox: Path) -> Iterator[RunningStack]:
    """A stack that may watch a folder."""
    folder = tmp_path_factory.mktemp("clockwork") / "data"
    with running_stack(folder, SAFELIGHT_WATCH_ROOTS=str(inbox)) as stack:
        yield stack


def trigger(stack: RunningStack, **given: Any) -> dict[str, Any]:
    body = {"name": f"trigger {time.time_ns()}", "job": HELLO} | given
    body = {name: value for name, value in body.items() if value is not None}
    answered = stack.http.post("/v1/triggers", json=body)
    assert answered.status_code == 201, answered.text
    assert answered.headers["cache-control"] == "no-store"
    return NewTriggerDocument.model_validate(answered.json()).model_dump()


def fire(
    stack: RunningStack, made: dict[str, Any], event: Any, message_id: str, at: datetime | None = None, **headers: str
) -> httpx.Response:
    raw = event if isinstance(event, bytes) else json.dumps(event).encode()
    moment = at or datetime.now(UTC)
    signed = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(made["secret"]).sign(message_id, moment, raw.decode("latin-1")),
    }
    path = f"/v1/triggers/{made['id']}/fire"
    return stack.http.post(path, content=raw, headers=signed | {k.replace("_", "-"): v for k, v in headers.items()})


def made_by(stack: RunningStack, prompt: str) -> list[dict[str, Any]]:
    jobs = stack.http.get("/v1/jobs", params={"limit": 200}).json()["jobs"]
    return [job for job in jobs if job["input"]["prompt"].startswith(prompt)]


def test_a_signed_event_makes_one_job_however_often_it_is_sent(clockwork: RunningStack) -> None:
    made = trigger(clockwork)
    event = {"who": "Ada", "seed": 7}
    first = fire(clockwork, made, event, "msg-1")
    assert first.status_code == 202, first.text
    job = JobDocument.model_validate(first.json())
    assert job.input == {"prompt": "hello Ada", "seed": 7}
    assert first.headers["location"] == job.urls.self
    again = fire(clockwork, made, event, "msg-1")
    assert (again.status_code, again.json()["id"]) == (202, job.id)
    assert again.headers["idempotency-replayed"] == "true"
    assert fire(clockwork, made, event, "msg-2").json()["id"] != job.id
    assert fire(clockwork, made, event | {"seed": 8}, "msg-1").status_code == 409
    assert clockwork.finished(job.id)["status"] == "succeeded"


def test_an_event_can_make_a_group(clockwork: RunningStack) -> None:
    group = {"members": [HELLO | {"name": "one"}, HELLO | {"name": "two"}]}
    made = trigger(clockwork, job=None, group=group)
    first = fire(clockwork, made, {"who": "Gil", "seed": 7}, "msg-1")
    assert first.status_code == 202, first.text
    told = GroupDocument.model_validate(first.json())
    assert first.headers["location"] == f"/v1/groups/{told.id}"
    again = fire(clockwork, made, {"who": "Gil", "seed": 7}, "msg-1")
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (told.id, "true")
    assert fire(clockwork, made, {"who": "Gil", "seed": 8}, "msg-1").status_code == 409
    assert fire(clockwork, made, {"who": "Gil"}, "msg-2").status_code == 422
    jobs = made_by(clockwork, "hello Gil")
    assert [job["made_by"] for job in jobs] == [f"trigger:{made['id']}"] * 2
    assert {clockwork.finished(job["id"])["status"] for job in jobs} == {"succeeded"}


def test_an_event_that_is_not_signed_well_is_refused(clockwork: RunningStack) -> None:
    made = trigger(clockwork)
    event = {"who": "Eve", "seed": 1}
    late = datetime.now(UTC) - timedelta(minutes=6)
    refused = [
        fire(clockwork, made | {"secret": trigger(clockwork)["secret"]}, event, "m"),
        fire(clockwork, made, event, "m", at=late),
        fire(clockwork, made, event, "m", at=datetime.now(UTC) + timedelta(minutes=6)),
        fire(clockwork, made, event, "m", webhook_id="other"),
        fire(clockwork, made, event, "m", webhook_timestamp=str(int(time.time()) + 60)),
        fire(clockwork, made, event, "m" * 200),
        *(
            fire(clockwork, made, event, "m", webhook_signature=text)
            for text in ("", "v1", "v1,", "v1,???", "v2,YQ==")
        ),
        *(fire(clockwork, made, event, "m", webhook_timestamp=text) for text in ("", "now", "nan", "1e400")),
        clockwork.http.post(made["urls"]["fire"], json=event),
    ]
    assert {one.status_code for one in refused} == {401}
    assert {one.headers["content-type"] for one in refused} == {"application/problem+json"}
    assert made_by(clockwork, "hello Eve") == []


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"who": "Bob"}, 422),
        ({"who": "Bob", "seed": "many"}, 422),
        (["Bob"], 422),
        (b"{", 422),
        (b'{"who":"\xff","seed":1}', 401),  # signed is text
        (b'{"who":"Bob","seed":NaN}', 422),
        ({"who": "B" * 70_000, "seed": 1}, 413),
    ],
)
def test_an_event_that_does_not_fit_makes_no_job(clockwork: RunningStack, event: Any, status: int) -> None:
    refused = fire(clockwork, trigger(clockwork), event, "m")
    assert refused.status_code == status, refused.text
    ProblemDocument.model_validate(refused.json())
    assert made_by(clockwork, "hello B") == []


def test_what_would_be_nested_too_deeply_makes_no_job(clockwork: RunningStack) -> None:
    made = trigger(clockwork, job=HELLO | {"metadata": {"a": [[[[["${body}"]]]]]}})
    deep = b'{"who": "Eva", "seed": 1, "a": ' + b"[" * 28 + b"]" * 28 + b"}"
    assert fire(clockwork, made, deep, "deep").status_code == 422
    assert fire(clockwork, made, {"who": "Eva", "seed": 1}, "flat").status_code == 202


def test_one_that_is_disabled_deleted_rotated_or_unknown_takes_no_events(clockwork: RunningStack) -> None:
    made = trigger(clockwork)
    event = {"who": "Cid", "seed": 1}
    clockwork.http.patch(made["urls"]["self"], json={"enabled": False})
    assert fire(clockwork, made, event, "a").status_code == 409
    clockwork.http.patch(made["urls"]["self"], json={"enabled": True})
    new = NewTriggerDocument.model_validate(clockwork.http.post(made["urls"]["rotate"]).json())
    assert fire(clockwork, made, event, "b").status_code == 401
    assert fire(clockwork, made | {"secret": new.secret}, event, "c").status_code == 202
    shown = clockwork.http.get(made["urls"]["self"])
    TriggerDocument.model_validate(shown.json())
    assert made["secret"] not in shown.text
    assert new.secret not in clockwork.http.get("/v1/triggers").text
    assert clockwork.http.delete(made["urls"]["self"]).status_code == 204
    assert fire(clockwork, made | {"secret": new.secret}, event, "d").status_code == 404
    for unknown in (UNKNOWN, "1", "%00"):
        assert clockwork.http.post(f"/v1/triggers/{unknown}/fire", json={}).status_code == 404


def test_a_file_in_a_watched_folder_makes_a_job(clockwork: RunningStack, inbox: Path) -> None:
    job = {"model": "noop", "input": {"prompt": "file ${file.stem}"}}
    made = trigger(clockwork, kind="folder", path=str(inbox), pattern="*.png", job=job)
    assert made["secret"] is None
    (inbox / "one.png").write_bytes(b"picture")
    wait_until(lambda: made_by(clockwork, "file "), "the file has been seen twice")
    (inbox / "two.png").write_bytes(b"picture")
    wait_until(lambda: len(made_by(clockwork, "file ")) == 2, "so has the other")
    assert {one["input"]["prompt"] for one in made_by(clockwork, "file ")} == {"file one", "file two"}
    shown = clockwork.http.get(made["urls"]["self"]).json()
    assert shown["last_job_id"] in {one["id"] for one in made_by(clockwork, "file two")}
    clockwork.http.delete(made["urls"]["self"])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "folder", "path": "/"}, "path"),
        ({"kind": "folder", "path": "."}, "path"),
        ({"kind": "folder"}, "path"),
        ({"kind": "folder", "path": "INBOX/../.."}, "path"),
        ({"kind": "folder", "path": "INBOX", "pattern": "../*"}, "pattern"),
        ({"path": "INBOX"}, "path"),
        ({"kind": "bucket"}, "kind"),
        ({"job": {"model": "noop", "input": {"prompt": "${file.name}"}}}, "job.input.prompt"),
        ({"kind": "folder", "path": "INBOX"}, "job.input.prompt"),
        ({"secret": "whsec_mine"}, "secret"),
    ],
)
def test_a_wrong_trigger_is_refused_by_field(
    clockwork: RunningStack, inbox: Path, wrong: dict[str, Any], field: str
) -> None:
    wrong = {name: value.replace("INBOX", str(inbox)) if name == "path" else value for name, value in wrong.items()}
    refused = clockwork.http.post("/v1/triggers", json={"name": "wrong", "job": HELLO} | wrong)
    assert refused.status_code == 422
    assert field in {fault.field for fault in ProblemDocument.model_validate(refused.json()).errors}
    triggers = TriggerListDocument.model_validate(clockwork.http.get("/v1/triggers").json()).triggers
    assert "wrong" not in {one.name for one in triggers}


def test_a_trial_says_which_job_would_be_submitted_and_submits_none(clockwork: RunningStack) -> None:
    made = trigger(clockwork)
    path = f"/v1/triggers/{made['id']}/test"
    tried = clockwork.http.post(path, json={"body": {"who": "Dan", "seed": 3}})
    assert TriedTriggerDocument.model_validate(tried.json()).job["input"] == {"prompt": "hello Dan", "seed": 3}
    assert clockwork.http.post(path, json={"body": {}}).status_code == 422
    assert made_by(clockwork, "hello Dan") == []


def test_the_command_makes_shows_tests_and_deletes_triggers(clockwork: RunningStack) -> None:
    url = clockwork.url
    made = answer("triggers", "create", "by command", "--job", json.dumps(HELLO), url=url)
    event = json.dumps({"who": "Fay", "seed": 2})
    assert answer("triggers", "test", made["id"], "--body", event, url=url)["job"]["input"]["prompt"] == "hello Fay"
    assert run("triggers", "rotate", made["id"], url=url).stdout.startswith("whsec_")
    assert answer("triggers", "disable", made["id"], url=url)["enabled"] is False
    assert "disabled" in run("triggers", "list", url=url).stdout
    assert "hello ${body.who}" in run("triggers", "show", made["id"], url=url).stdout
    assert answer("triggers", "delete", made["id"], url=url)["deleted"] is True
