"""Schedules as their users see them, through a real stack: HTTP and the command."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.shapes.automation import (
    ScheduleDocument,
    ScheduleListDocument,
    TicksDocument,
)
from api.shapes.documents import ProblemDocument
from tests.servers import wait_until
from tests.stacks import RunningStack
from tests.test_command import answer, run

JOB = {"model": "noop", "input": {"prompt": "at ${schedule.tick}"}, "metadata": {"tick": "${schedule.tick}"}}
HELLO = {"model": "noop", "input": {"prompt": "hello ${body.who}", "seed": "${body.seed}"}}
UNKNOWN = "01900000-0000-7000-8000-000000000000"


def schedule(stack: RunningStack, **given: Any) -> dict[str, Any]:
    body = {"name": f"schedule {time.time_ns()}", "cron": "0 6 * * mon-fri", "job": JOB} | given
    answered = stack.http.post("/v1/schedules", json=body)
    assert answered.status_code == 201, answered.text
    made = ScheduleDocument.model_validate(answered.json()).model_dump()
    assert answered.headers["location"] == made["urls"]["self"]
    return made


def made_by(stack: RunningStack, prompt: str) -> list[dict[str, Any]]:
    jobs = stack.http.get("/v1/jobs", params={"limit": 200}).json()["jobs"]
    return [job for job in jobs if job["input"].get("prompt", "").startswith(prompt)]


def test_every_second_one_job_runs_until_the_schedule_is_deleted(stack: RunningStack) -> None:
    made = schedule(stack, cron="* * * * * *", catch_up="all", job=JOB | {"input": {"prompt": "each second"}})
    wait_until(lambda: len(made_by(stack, "each second")) >= 4, "four seconds have passed")
    assert stack.http.delete(made["urls"]["self"]).status_code == 204
    assert stack.http.get(made["urls"]["self"]).status_code == 404
    time.sleep(1.5)
    jobs = made_by(stack, "each second")
    ticks = sorted(datetime.fromisoformat(job["metadata"]["tick"]) for job in jobs)
    assert ticks == [ticks[0] + timedelta(seconds=number) for number in range(len(ticks))]
    assert {stack.finished(job["id"])["status"] for job in jobs} == {"succeeded"}


def test_a_schedule_is_read_listed_and_changed(stack: RunningStack) -> None:
    made = schedule(stack, timezone="Europe/Vienna", job=JOB)
    due = datetime.fromisoformat(made["next_at"])
    assert due > datetime.now(UTC)
    assert stack.http.get(made["urls"]["self"]).json() == made
    listed = ScheduleListDocument.model_validate(stack.http.get("/v1/schedules").json())
    assert made["id"] in {one.id for one in listed.schedules}
    changed = stack.http.patch(made["urls"]["self"], json={"enabled": False}).json()
    assert changed == made | {"enabled": False, "next_at": None}
    changed = stack.http.patch(made["urls"]["self"], json={"enabled": True, "cron": "30 6 * * mon-fri"}).json()
    assert changed["next_at"] == (due + timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    again = stack.http.post("/v1/schedules", json={name: made[name] for name in ("name", "cron", "job")})
    assert again.status_code == 409
    stack.http.delete(made["urls"]["self"])


def test_the_next_ticks_can_be_asked_for(stack: RunningStack) -> None:
    found = stack.http.post("/v1/schedules/test", json={"cron": "0 0 29 2 *", "count": 2}).json()
    first, second = TicksDocument.model_validate(found).ticks
    assert first[4:] == second[4:] == "-02-29T00:00:00.000000Z"


WRONG_SCHEDULES = [
    ({"cron": "nonsense"}, "cron"),
    ({"timezone": "Mars/Olympus"}, "timezone"),
    ({"timezone": "../../etc/passwd"}, "timezone"),
    ({"catch_up": "some"}, "catch_up"),
    ({"name": ""}, "name"),
    ({"colour": "red"}, "colour"),
    ({"enabled": 1}, "enabled"),
    ({"job": {"model": "noop", "input": {}}}, "job.input.prompt"),
    ({"job": {"model": "nowhere", "input": {}}}, "job.model"),
    ({"job": {"model": "noop", "input": {"prompt": "${body.x}"}}}, "job.input.prompt"),
    ({"job": "noop"}, "job"),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG_SCHEDULES)
def test_a_wrong_schedule_is_refused_by_field_and_nothing_is_kept(
    stack: RunningStack, wrong: dict[str, Any], field: str
) -> None:
    name = f"wrong {time.time_ns()}"
    good = {"name": name, "cron": "0 6 * * *", "job": JOB}
    refused = stack.http.post("/v1/schedules", json=good | wrong)
    assert refused.status_code == 422
    assert [fault.field for fault in ProblemDocument.model_validate(refused.json()).errors] == [field]
    made = schedule(stack)
    if "name" not in wrong:
        refused = stack.http.patch(made["urls"]["self"], json=wrong)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    assert stack.http.get(made["urls"]["self"]).json() == made
    assert name not in {one["name"] for one in stack.http.get("/v1/schedules").json()["schedules"]}
    stack.http.delete(made["urls"]["self"])


def test_the_command_makes_shows_tests_and_deletes_schedules(stack: RunningStack, tmp_path: Path) -> None:
    url, file = stack.url, tmp_path / "job.json"
    file.write_text(json.dumps(JOB))
    made = answer(
        "schedules", "create", "by command", "--cron", "0 6 * * *", "--job", f"@{file}", "--disabled", url=url
    )
    assert (made["next_at"], made["job"]) == (None, JOB)
    assert answer("schedules", "enable", made["id"], url=url)["next_at"]
    assert "by command" in run("schedules", "list", url=url).stdout
    assert answer("schedules", "show", made["id"], url=url)["cron"] == "0 6 * * *"
    assert len(answer("schedules", "test", "0 6 * * *", "--count", "3", url=url)["ticks"]) == 3
    assert run("schedules", "test", "nonsense", url=url).returncode == 1
    assert run("schedules", "create", "x", "--cron", "* * * * *", "--job", "[]", url=url).returncode == 2
    assert answer("schedules", "delete", made["id"], url=url) == {"id": made["id"], "deleted": True}
    assert run("schedules", "show", made["id"], url=url).returncode == 1
