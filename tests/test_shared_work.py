"""Identical work through a whole stack: done once, and how a client asks for it anew."""

import time
from typing import Any

import httpx
import pytest

from models.catalog import read_catalog
from models.sameness import cache_key
from tests.stacks import RunningStack

SMALL = {"prompt": "a lighthouse in the fog", "steps": 1, "width": 64, "height": 64}


def ask(stack: RunningStack, seed: int | None, headers: dict[str, str] | None = None) -> httpx.Response:
    body = {"model": "scenes", "input": {**SMALL, "seed": seed}}
    answer = stack.http.post("/v1/jobs", json=body, headers=headers)
    assert answer.status_code in (200, 202), answer.text
    return answer


def test_the_same_again_is_there_at_once_and_anew_only_on_demand(stack: RunningStack) -> None:
    seed = time.time_ns() % (1 << 31)
    first = stack.finished(ask(stack, seed).json()["id"])
    waited = ask(stack, seed, {"Prefer": "wait=30"})
    again = waited.json()
    assert (waited.status_code, again["status"], again["cached"]) == (200, "succeeded", True)
    assert (again["outputs"], again["context"]) == (first["outputs"], first["context"])
    assert ask(stack, seed).json()["status"] == "succeeded", "nobody who does not wait has to come back"
    for word in ("no-cache", "max-age=0, No-Store"):
        anew = ask(stack, seed, {"Cache-Control": word}).json()
        assert (anew["status"], anew["cached"]) == ("queued", False)
        assert stack.finished(anew["id"])["outputs"] == first["outputs"]


def test_twins_are_finished_together_and_each_is_told(stack: RunningStack) -> None:
    seed = time.time_ns() % (1 << 31)
    ids = [ask(stack, seed).json()["id"] for _ in range(3)]
    done = [stack.finished(job_id) for job_id in ids]
    assert [job["cached"] for job in done] == [False, True, True]
    assert done[0]["outputs"] == done[1]["outputs"] == done[2]["outputs"]


def test_without_a_seed_every_job_is_work_of_its_own(stack: RunningStack) -> None:
    jobs = [stack.finished(ask(stack, None).json()["id"]) for _ in range(2)]
    assert [job["cached"] for job in jobs] == [False, False]
    assert jobs[0]["outputs"] != jobs[1]["outputs"]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"seed": 1}, {"seed": 1, "negative_prompt": None, "steps": None}, True),
        ({"seed": 1}, {"seed": 1.0}, True),
        ({"seed": 1}, {"seed": 2}, False),
        ({"seed": 1}, {"seed": 1, "exact": True}, False),
        ({"seed": 1}, {"seed": 1, "prompt": "another"}, False),
    ],
)
def test_input_is_the_same_however_it_is_written(first: dict[str, Any], second: dict[str, Any], same: bool) -> None:
    entry = read_catalog().find("scenes")
    keys = [cache_key(entry, entry.resolve({"prompt": "x", **given})) for given in (first, second)]
    assert None not in keys
    assert (keys[0] == keys[1]) is same


def test_nothing_is_the_same_without_a_seed_or_for_a_diagnostic_model() -> None:
    catalog = read_catalog(diagnostics=True)
    scenes, noop = catalog.find("scenes"), catalog.find("noop")
    assert cache_key(scenes, scenes.resolve({"prompt": "x"})) is None
    assert cache_key(noop, noop.resolve({"prompt": "x", "seed": 1})) is None
