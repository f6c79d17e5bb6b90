"""Doing a job's work again: the same bytes, though the original was made among strangers."""

import json
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from cli.replay import compare
from jobs import lifecycle
from jobs.errors import Conflict
from jobs.replays import replay
from jobs.values import Job, Status
from tests.batches import submission
from tests.stacks import SAFELIGHT, RunningStack
from tests.test_lifecycle import NOW

SMALL = {"steps": 4, "width": 64, "height": 64}
STRANGERS = ("a lighthouse in the fog", "a tent in the desert", "a pine at night", "mountains under a red sun")


def done(**given: Any) -> Job:
    job = lifecycle.submit(submission(), NOW)
    return replace(job, **{"status": Status.SUCCEEDED, "context": {"rows": 4}, **given})


def replayed(stack: RunningStack, job_id: str) -> tuple[int, dict[str, Any]]:
    command = [SAFELIGHT, "replay", job_id, "--json", "--url", stack.url]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


def test_a_picture_made_in_a_batch_of_four_among_strangers_is_made_again_bit_by_bit(stack: RunningStack) -> None:
    first = stack.submit(duration_s=1.5)
    stack.until_running(first["id"])
    jobs = [stack.submit("scenes", **{**SMALL, "prompt": prompt}) for prompt in STRANGERS]
    ended = [stack.finished(job["id"]) for job in jobs]
    assert {job["context"]["rows"] for job in ended} == {4}, "they ran together"
    for original in (ended[0], ended[2]):
        code, verdict = replayed(stack, original["id"])
        assert (code, verdict["bit_equal"], verdict["differences"]) == (0, True, [])
        again = stack.get(verdict["replay"])
        assert (again["replay_of"], again["cached"], again["context"]["rows"]) == (original["id"], False, 4)
        assert again["outputs"] == original["outputs"], "seed and all"


def test_the_context_says_what_may_move_a_bit(stack: RunningStack) -> None:
    context = stack.finished(stack.submit("scenes", **SMALL)["id"])["context"]
    assert (context["model"], context["rows"], context["device"]) == ("scenes", 1, "cpu")
    assert context["weights"].startswith("sha256:")
    assert {"torch", "diffusers"} <= context["libraries"].keys()
    assert context["threads"] >= 1


def test_only_what_has_a_result_that_is_known_well_can_be_replayed(stack: RunningStack) -> None:
    running = stack.submit(duration_s=0, fail="error", fail_times=9)
    stack.http.post(f"/v1/jobs/{running['id']}/cancel")
    answer = stack.http.post(f"/v1/jobs/{running['id']}/replay")
    assert (answer.status_code, "has no result" in answer.json()["detail"]) == (409, True)
    assert stack.http.post("/v1/jobs/nobody/replay").status_code == 404
    with pytest.raises(Conflict):
        replay(done(context=None), "new", 3)


def test_a_replay_runs_alone_and_never_from_the_cache() -> None:
    wanted = replay(done(batch_key="k", cache_key="c"), "new", 3)
    assert (wanted.batch_key, wanted.cache_key, wanted.lineage.rows) == (None, None, 4)


def test_the_replay_of_a_replay_does_the_original_again() -> None:
    first = done()
    second = done(lineage=replay(first, "second", 3).lineage)
    assert replay(second, "third", 3).lineage.replay_of == first.id


def test_the_verdict_names_what_differs() -> None:
    def job(sha256: str, **context: Any) -> dict[str, Any]:
        return {"id": sha256, "outputs": [{"sha256": sha256}], "context": context}

    was, now = ({"torch": torch, "pillow": "3"} for torch in "12")
    verdict = compare(job("a", rows=4, libraries=was), job("b", rows=4, libraries=now))
    assert not verdict["bit_equal"]
    assert verdict["differences"] == [{"field": "libraries.torch", "original": "1", "replay": "2"}]
    assert not compare(job("a") | {"outputs": []}, job("a"))["bit_equal"], "one output more is not the same"
