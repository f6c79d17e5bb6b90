"""Previews as clients see them: `preview_url`, and what is behind it, on a real stack with the model that ships."""

import io
import time

import numpy as np
from PIL import Image

from tests.stacks import FINAL, RunningStack
from tests.test_previews import assert_small_jpeg

UNKNOWN = "0197a000-0000-7000-8000-000000000001"


def test_a_watched_job_shows_its_picture_growing_and_then_no_more(stack: RunningStack) -> None:
    job = stack.submit("scenes", steps=50, count=4, seed=11)
    url = f"/v1/jobs/{job['id']}/preview"
    jpegs: list[bytes] = []
    addresses: list[str] = []
    while (shown := stack.get(job["id"]))["status"] not in FINAL:
        answer = stack.http.get(shown["preview_url"] or url)
        if answer.status_code == 200 and answer.content not in jpegs:
            assert answer.headers["content-type"] == "image/jpeg"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            jpegs.append(answer.content)
        if shown["preview_url"]:
            assert shown["preview_url"].startswith(f"{url}?step=")
            assert 0 < int(shown["preview_url"].split("=")[1]) <= shown["step"]
            addresses.append(shown["preview_url"])
        time.sleep(0.05)  # leave the machine to the worker
    assert (shown["status"], shown["preview_url"]) == ("succeeded", None)
    assert len(jpegs) > 1
    assert len(set(addresses)) > 1
    final = stack.http.get(shown["outputs"][0]["url"]).content
    for jpeg in jpegs:
        assert_small_jpeg(jpeg)
    assert far(jpegs[-1], final) < far(jpegs[0], final)


def far(one: bytes, other: bytes) -> float:
    """The mean difference, in 8-bit levels."""
    pictures = [Image.open(io.BytesIO(data)).convert("RGB").resize((128, 128)) for data in (one, other)]
    return float(np.abs(np.asarray(pictures[0], dtype=float) - np.asarray(pictures[1], dtype=float)).mean())


def test_a_job_without_a_preview_has_none_and_says_so_as_a_problem(stack: RunningStack) -> None:
    job = stack.finished(stack.submit()["id"])
    for job_id in (job["id"], UNKNOWN, "nonsense"):
        answer = stack.http.get(f"/v1/jobs/{job_id}/preview", params={"step": 3})
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
    assert stack.http.get(f"/v1/jobs/{job['id']}/preview?step=many").status_code == 422
