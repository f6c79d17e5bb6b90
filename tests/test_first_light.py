"""The main job, from outside: a prompt becomes a picture, through every real part."""

import hashlib
import io

from PIL import Image

from tests.stacks import RunningStack

SCENE = {"model": "scenes", "prompt": "a house in the snow under a full moon", "steps": 3}


def picture(stack: RunningStack, job: dict) -> Image.Image:
    answer = stack.http.get(job["outputs"][0]["url"])
    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).hexdigest() == job["outputs"][0]["sha256"]
    return Image.open(io.BytesIO(answer.content))


def test_a_prompt_becomes_a_picture(stack: RunningStack) -> None:
    accepted = stack.submit(**SCENE, seed=11)
    assert accepted["status"] == "queued"
    job = stack.finished(accepted["id"])
    assert job["status"] == "succeeded", job["error"]
    assert (job["step"], job["steps"], job["progress"], job["attempt"]) == (3, 3, 1.0, 1)
    assert job["outputs"][0]["seed"] == 11
    image = picture(stack, job)
    assert image.size == (256, 256)
    assert len(image.convert("RGB").getcolors(1 << 20) or []) > 100, "not a plain colour"


def test_the_same_prompt_and_seed_alone_give_the_same_bytes_and_another_seed_others(
    stack: RunningStack,
) -> None:
    hashes = []
    for seed in (21, 21, 22):
        job = stack.finished(stack.submit(**SCENE, seed=seed)["id"])
        hashes.append(job["outputs"][0]["sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


def test_size_and_count_are_obeyed_and_seeds_count_up(stack: RunningStack) -> None:
    job = stack.finished(stack.submit(**SCENE, seed=31, width=96, height=128, count=3)["id"])
    assert [(o["width"], o["height"], o["seed"]) for o in job["outputs"]] == [
        (96, 128, 31),
        (96, 128, 32),
        (96, 128, 33),
    ]
    assert len({output["sha256"] for output in job["outputs"]}) == 3
    assert picture(stack, job).size == (96, 128)


def test_steps_and_guidance_change_the_picture(stack: RunningStack) -> None:
    variants = ({}, {"steps": 5}, {"guidance": 6.0}, {"negative_prompt": "moon"})
    jobs = [stack.finished(stack.submit(**{**SCENE, "seed": 41, **variant})["id"]) for variant in variants]
    assert len({job["outputs"][0]["sha256"] for job in jobs}) == 4
    assert [job["steps"] for job in jobs] == [3, 5, 3, 3]


def test_a_job_that_names_no_seed_gets_one_from_its_id(stack: RunningStack) -> None:
    job = stack.finished(stack.submit(**SCENE)["id"])
    again = stack.finished(stack.submit(**SCENE, seed=job["outputs"][0]["seed"])["id"])
    assert again["outputs"][0]["sha256"] == job["outputs"][0]["sha256"]


def test_progress_is_shown_at_each_step_and_never_goes_back(stack: RunningStack) -> None:
    job = stack.submit(duration_s=2.0, steps=8)
    seen = []
    while (now := stack.get(job["id"]))["status"] not in ("succeeded", "failed"):
        seen.append((now["seq"], now["progress"]))
    assert now["status"] == "succeeded"
    assert seen == sorted(seen)
    assert len({progress for _, progress in seen}) >= 4


def test_jobs_that_wait_together_run_in_one_batch(stack: RunningStack) -> None:
    """While the worker is held, eight alike gather; then they start at one and the same moment."""
    held = stack.submit(duration_s=2.0)
    jobs = [stack.submit(**SCENE, seed=seed) for seed in range(6)]
    stack.finished(held["id"])
    finished = [stack.finished(job["id"]) for job in jobs]
    assert {job["status"] for job in finished} == {"succeeded"}
    assert len({job["started_at"] for job in finished}) == 1


def test_interactive_jobs_overtake_batch_jobs(stack: RunningStack) -> None:
    held = stack.submit(duration_s=1.5)
    stack.until_running(held["id"])
    late = [
        stack.http.post("/v1/jobs", json={"model": "noop", "input": {"prompt": "x"}, "priority": priority}).json()
        for priority in ("batch", "interactive")
    ]
    batch, interactive = (stack.finished(job["id"]) for job in late)
    assert interactive["started_at"] < batch["started_at"]
