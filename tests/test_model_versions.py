"""Aliases and versions through a whole stack, and by the command line."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from jobs.aliases import Alias, Target, choose
from tests.servers import wait_until
from tests.stacks import SAFELIGHT, RunningStack

EITHER = [{"model": "noop@1", "weight": 1}, {"model": "scenes@1", "weight": 1}]


@pytest.fixture
def name(stack: RunningStack, request: pytest.FixtureRequest) -> Iterator[str]:
    """Of an alias that nobody else has."""
    yield "painter"
    stack.http.delete("/v1/aliases/painter")


def put(stack: RunningStack, **body: Any) -> dict[str, Any]:
    answer = stack.http.post("/v1/aliases", json={"name": "painter", "targets": EITHER[:1]} | body)
    assert answer.status_code == 200, answer.text
    alias: dict[str, Any] = answer.json()
    return alias


def command(stack: RunningStack, *words: str) -> dict[str, Any]:
    ended = subprocess.run(
        [SAFELIGHT, "models", *words, "--json", "--url", stack.url], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def test_a_job_of_an_alias_says_what_was_asked_for_and_what_it_came_to(stack: RunningStack, name: str) -> None:
    put(stack)
    job = stack.finished(stack.submit(name)["id"])
    assert (job["status"], job["alias"], job["model"], job["model_version"]) == ("succeeded", name, "noop", "1")
    assert stack.submit("noop")["alias"] is None


def test_the_same_user_gets_the_same_version(stack: RunningStack, name: str) -> None:
    put(stack, targets=EITHER)
    either = Alias("default", name, 1, (Target("noop@1", 1), Target("scenes@1", 1)), (), None, datetime.now(UTC))
    user = next(user for user in map(str, range(99)) if choose(either, user) == "noop@1")
    jobs = [stack.submit(name, headers={"Safelight-Sticky": user}) for _ in range(6)]
    assert {job["model"] for job in jobs} == {"noop"}


def test_a_shadow_does_a_job_again_on_another_model_and_is_compared(stack: RunningStack, name: str) -> None:
    put(stack, shadows=[{"model": "scenes@1", "percent": 100}])
    stack.finished(stack.submit(name)["id"])

    def comparison() -> dict[str, Any]:
        (one,) = stack.http.get(f"/v1/aliases/{name}").json()["comparisons"]
        found: dict[str, Any] = one
        return found

    wait_until(lambda: comparison()["compared"] == 1, "the shadow is compared")
    assert (comparison()["model"], comparison()["equal"], comparison()["failed"]) == ("scenes@1", 0, 0)


def test_an_alias_is_set_rolled_back_and_deleted_by_command(stack: RunningStack, name: str) -> None:
    command(stack, "alias", "set", name, "noop@1")
    command(stack, "alias", "set", name, "noop@1=1", "scenes@1=3", "--shadow", "scenes@1=0.5")
    assert command(stack, "alias", "list")["aliases"][0]["shadows"] == [{"model": "scenes@1", "percent": 0.5}]
    back = command(stack, "alias", "rollback", name)
    assert (back["revision"], back["restores"], back["targets"]) == (3, 1, [{"model": "noop@1", "weight": 1}])
    assert [one["revision"] for one in command(stack, "alias", "show", name)["revisions"]] == [3, 2, 1]
    command(stack, "alias", "delete", name)
    assert stack.http.get(f"/v1/aliases/{name}").status_code == 404
    refused = stack.http.post("/v1/jobs", json={"model": name, "input": {"prompt": "x"}})
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"targets": [{"model": "noop@9"}]}, "targets.0.model"),
        ({"targets": [{"model": "noop"}]}, "targets.0.model"),
        ({"targets": [{"model": "noop@1", "weight": -1}]}, "targets.0.weight"),
        ({"targets": [{"model": "noop@1"}, {"model": "noop@1"}]}, "targets"),
        ({"targets": [{"model": "noop@1", "weight": 0}]}, ""),
        ({"targets": []}, "targets"),
        ({"shadows": [{"model": "gone@1", "percent": 1}]}, "shadows.0.model"),
        ({"shadows": [{"model": "noop@1", "percent": 101}]}, "shadows.0.percent"),
        ({"name": "No Name"}, "name"),
        ({"colour": 1}, "colour"),
    ],
)
def test_what_cannot_be_is_refused_by_name(stack: RunningStack, body: dict[str, Any], field: str) -> None:
    answer = stack.http.post("/v1/aliases", json={"name": "painter", "targets": EITHER[:1]} | body)
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]
    assert stack.http.get("/v1/aliases/painter").status_code == 404, "nothing is kept"


def test_odd_names_are_of_no_alias_and_a_roll_back_needs_a_way_back(stack: RunningStack, name: str) -> None:
    for odd in ("%00", "x" * 300, "é"):
        assert stack.http.get(f"/v1/aliases/{odd}").status_code == 404
        assert stack.http.post(f"/v1/aliases/{odd}/rollback").status_code == 404
    put(stack)
    assert stack.http.post(f"/v1/aliases/{name}/rollback").status_code == 409
    assert stack.http.post(f"/v1/aliases/{name}/rollback", json={"to": "1"}).status_code == 422
    answer = stack.http.post("/v1/jobs", json={"model": "noop", "input": {}}, headers={"Safelight-Sticky": "x" * 256})
    assert answer.status_code == 422


def test_each_version_says_how_it_did_lately(stack: RunningStack) -> None:
    stack.finished(stack.submit(duration_s=0.1)["id"])
    stack.finished(stack.submit(fail="error", fail_times=99)["id"])

    def did() -> dict[str, Any]:
        (version,) = stack.http.get("/v1/models/noop/versions").json()["versions"]
        found: dict[str, Any] = version
        return found

    wait_until(lambda: bool(did()["finished"]["succeeded"] and did()["finished"]["failed"]), "the figures are told")
    assert (did()["model"], did()["run_s"]["p95"] >= 0.0, 0 < did()["failure_rate"] < 1) == ("noop@1", True, True)
    assert command(stack, "show", "noop")["figures"][0]["version"] == "1"
    assert stack.http.get("/v1/models/nothing/versions").status_code == 404
