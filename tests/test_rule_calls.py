"""Rules as their users see them, through a real stack: what follows, what is routed, what a trial says."""

import json
import time
from typing import Any

import pytest

from api.shapes.automation import RuleDocument, RuleListDocument, TriedRulesDocument
from api.shapes.documents import ProblemDocument
from tests.servers import wait_until
from tests.stacks import RunningStack
from tests.test_command import answer, run

UNKNOWN = "01900000-0000-7000-8000-000000000000"
FOLLOW_UP = {"model": "noop", "input": {"prompt": "after ${job.input.prompt}", "seed": "${job.seeds.0}"}}


def rule(stack: RunningStack, **given: Any) -> dict[str, Any]:
    body = {"name": f"rule {time.time_ns()}", "on": "completed", "targets": [{"job": FOLLOW_UP}]} | given
    answered = stack.http.post("/v1/rules", json=body)
    assert answered.status_code == 201, answered.text
    made = RuleDocument.model_validate(answered.json()).model_dump()
    assert answered.headers["location"] == made["urls"]["self"]
    return made


def submit(stack: RunningStack, **body: Any) -> dict[str, Any]:
    answered = stack.http.post("/v1/jobs", json={"model": "noop", "input": {"prompt": "a rule"}} | body)
    assert answered.status_code == 202, answered.text
    job: dict[str, Any] = answered.json()
    return job


def made_by(stack: RunningStack, made: dict[str, Any]) -> list[dict[str, Any]]:
    jobs = stack.http.get("/v1/jobs", params={"limit": 200}).json()["jobs"]
    return [job for job in jobs if job["made_by"] == f"rule:{made['id']}"]


def test_what_a_rule_wants_follows_by_itself(stack: RunningStack) -> None:
    mark = f"mark {time.time_ns()}"
    made = rule(stack, pattern={"status": ["succeeded"], "metadata": {"mark": [mark]}})
    job = stack.finished(submit(stack, input={"prompt": "first", "seed": 5}, metadata={"mark": mark})["id"])
    stack.finished(submit(stack, metadata={"mark": "another"})["id"])
    wait_until(lambda: made_by(stack, made), "it has followed")
    (follower,) = made_by(stack, made)
    assert stack.finished(follower["id"])["input"] == {"prompt": "after first", "seed": 5}
    assert stack.http.delete(made["urls"]["self"]).status_code == 204
    stack.finished(submit(stack, metadata={"mark": mark})["id"])
    time.sleep(1)
    assert len(made_by(stack, made)) == 1
    assert job["made_by"] is None


def test_what_follows_can_take_what_the_job_made(stack: RunningStack) -> None:
    mark = f"media {time.time_ns()}"
    job = {"model": "noop", "input": {"prompt": "x", "media": "${job.outputs.0}"}, "metadata": {"next": mark}}
    made = rule(stack, pattern={"metadata": {"mark": [mark]}, "media_type": ["image/png"]}, targets=[{"job": job}])
    first = stack.finished(submit(stack, metadata={"mark": mark})["id"])
    wait_until(lambda: made_by(stack, made), "it has followed")
    second = stack.finished(made_by(stack, made)[0]["id"])
    assert second["input"]["media"] == f"job:{first['id']}#0"
    assert second["outputs"][0]["sha256"] == first["outputs"][0]["sha256"], "noop gives back what it is given"
    stack.http.delete(made["urls"]["self"])


def test_a_route_gives_a_submit_another_priority_or_model_and_a_resend_is_known_again(stack: RunningStack) -> None:
    mark = f"route {time.time_ns()}"
    pattern = {"metadata": {"mark": [mark]}, "priority": ["interactive"], "model": ["noop"]}
    headers = {"Idempotency-Key": mark}
    body = {"model": "noop", "input": {"prompt": "x"}, "metadata": {"mark": mark}}
    before = stack.http.post("/v1/jobs", json=body, headers=headers)
    made = rule(stack, on="submitted", pattern=pattern, targets=[{"route": {"priority": "batch", "model": "noop@1"}}])
    wait_until(lambda: submit(stack, metadata={"mark": mark})["priority"] == "batch", "the route is known")
    assert submit(stack, metadata={"mark": "other"})["priority"] == "interactive"
    again = stack.http.post("/v1/jobs", json=body, headers=headers)
    assert (again.status_code, again.json()["id"]) == (202, before.json()["id"]), "a key is of the client's own words"
    assert stack.http.post("/v1/jobs", json={"model": {}, "metadata": {"mark": mark}}).status_code == 422
    stack.http.delete(made["urls"]["self"])
    wait_until(lambda: submit(stack, metadata={"mark": mark})["priority"] == "interactive", "it is forgotten")


def test_rules_are_listed_read_and_changed(stack: RunningStack) -> None:
    made = rule(stack, pattern={"model": ["nothing"]})
    assert stack.http.get(made["urls"]["self"]).json() == made
    listed = RuleListDocument.model_validate(stack.http.get("/v1/rules").json())
    assert made["id"] in {one.id for one in listed.rules}
    changed = stack.http.patch(made["urls"]["self"], json={"enabled": False, "pattern": {"model": ["other"]}}).json()
    assert changed == made | {"enabled": False, "pattern": {"model": ["other"]}}
    again = {"name": made["name"], "on": "started", "pattern": {"model": ["x"]}, "targets": [{"job": FOLLOW_UP}]}
    assert stack.http.post("/v1/rules", json=again).status_code == 409
    stack.http.delete(made["urls"]["self"])
    for path in (made["urls"]["self"], f"/v1/rules/{UNKNOWN}", "/v1/rules/1", "/v1/rules/%00"):
        assert stack.http.get(path).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"on": "deleted"}, "on"),
        ({"colour": "red"}, "colour"),
        ({"pattern": {"model": "noop"}}, "pattern.model"),
        ({"pattern": {"model": [{"regex": "."}]}}, "pattern.model.0"),
        ({"targets": []}, "targets"),
        ({"targets": [{}]}, "targets.0"),
        ({"targets": [{"job": FOLLOW_UP, "webhook": {"url": "https://example.com"}}]}, "targets.0"),
        ({"targets": [{"job": {"model": "noop", "input": {}}}]}, "targets.0.job.input.prompt"),
        ({"targets": [{"job": {"model": "noop", "input": {"prompt": "${body.x}"}}}]}, "targets.0.job.input.prompt"),
        ({"targets": [{"webhook": {"url": "http://169.254.169.254/"}}]}, "targets.0.webhook.url"),
        ({"targets": [{"route": {"priority": "batch"}}]}, "targets.0.route"),
        ({"on": "submitted", "targets": [{"route": {"model": "nowhere"}}]}, "targets.0.route.model"),
        ({"on": "submitted", "targets": [{"route": {}}]}, "targets.0.route"),
        ({"targets": [{"job": FOLLOW_UP}] * 6}, "targets"),
    ],
    ids=str,
)
def test_a_wrong_rule_is_refused_by_field_and_nothing_is_kept(
    stack: RunningStack, wrong: dict[str, Any], field: str
) -> None:
    good = {"name": "wrong", "on": "completed", "pattern": {"model": ["x"]}, "targets": [{"job": FOLLOW_UP}]}
    refused = stack.http.post("/v1/rules", json=good | wrong)
    assert refused.status_code == 422
    assert [fault.field for fault in ProblemDocument.model_validate(refused.json()).errors] == [field]
    assert "wrong" not in {one["name"] for one in stack.http.get("/v1/rules").json()["rules"]}


def test_a_trial_says_what_would_follow_and_does_nothing(stack: RunningStack) -> None:
    mark = f"trial {time.time_ns()}"
    targets = [{"job": FOLLOW_UP}, {"webhook": {"url": "https://example.com/hook"}}]
    made = rule(stack, pattern={"metadata": {"mark": [mark]}}, targets=targets)
    seen = {"model": "noop", "metadata": {"mark": mark}, "input": {"prompt": "a"}, "seeds": [4]}
    tried = stack.http.post("/v1/rules/test", json={"event": seen})
    (match,) = TriedRulesDocument.model_validate(tried.json()).matches
    assert match.rule.id == made["id"]
    assert match.targets == [{"job": {"model": "noop", "input": {"prompt": "after a", "seed": 4}}}, targets[1]]
    bare = stack.http.post("/v1/rules/test", json={"event": seen | {"seeds": []}}).json()
    assert "job.seeds.0" in bare["matches"][0]["targets"][0]["error"]
    assert stack.http.post("/v1/rules/test", json={"event": seen, "on": "started"}).json()["matches"] == []
    stack.http.delete(made["urls"]["self"])
    job = stack.finished(submit(stack, input={"prompt": "b", "seed": 9}, metadata={"mark": mark})["id"])
    draft = {
        "pattern": {"metadata": {"mark": [{"prefix": "trial"}]}, "status": ["succeeded"]},
        "targets": targets[:1],
    }
    tried = stack.http.post("/v1/rules/test", json={"job_id": job["id"], "rule": draft}).json()
    assert tried["matches"][0]["targets"][0]["job"]["input"] == {"prompt": "after b", "seed": 9}
    assert tried["event"]["outputs"] == [f"job:{job['id']}#0"]
    assert stack.http.post("/v1/rules/test", json={"job_id": UNKNOWN}).status_code == 404
    assert stack.http.post("/v1/rules/test", json={}).status_code == 422
    assert made_by(stack, made) == []


def test_the_command_makes_tests_and_deletes_rules(stack: RunningStack) -> None:
    url, pattern = stack.url, json.dumps({"metadata": {"by": ["command"]}})
    target = json.dumps({"job": FOLLOW_UP})
    made = answer(
        "rules", "create", "by command", "--on", "completed", "--pattern", pattern, "--target", target, url=url
    )
    event = json.dumps({"metadata": {"by": "command"}, "input": {"prompt": "c"}, "seeds": [1]})
    tried = answer("rules", "test", "--event", event, url=url)
    assert tried["matches"][0]["targets"][0]["job"]["input"]["prompt"] == "after c"
    assert "after c" in run("rules", "test", "--event", event, url=url).stdout
    assert answer("rules", "disable", made["id"], url=url)["enabled"] is False
    assert "no rule" in run("rules", "test", "--event", event, url=url).stdout
    assert "disabled" in run("rules", "list", url=url).stdout
    assert "by command" in run("rules", "show", made["id"], url=url).stdout
    assert run("rules", "test", url=url).returncode == 2
    assert answer("rules", "delete", made["id"], url=url)["deleted"] is True
