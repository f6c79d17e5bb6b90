"""One POST makes a picture, a larger one, a film and speech from one sentence. Each file is opened."""

import io
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from tests.gathering import ended, gather
from tests.stacks import RunningStack

SENTENCE = "The sea at dawn, a sailing boat in the middle."
WORKFLOW: list[dict[str, Any]] = [
    {"name": "picture", "model": "scenes", "input": {"prompt": SENTENCE, "seed": 7, "steps": 8}},
    {"name": "large", "model": "enlarge", "input": {"image": "job:picture#0", "factor": 2}},
    {
        "name": "film",
        "model": "scenes-walk",
        "input": {
            "prompt": SENTENCE,
            "to": SENTENCE.replace("at dawn", "at night"),
            "image": "job:large#0",
            "seed": 7,
            "seconds": 1,
            "fps": 6,
            "steps": 6,
        },
    },
    {"name": "speech", "model": "speech", "input": {"prompt": SENTENCE, "seed": 7}},
]


def test_one_post_makes_picture_larger_picture_film_and_speech(stack: RunningStack, tmp_path: Path) -> None:
    group = gather(stack, members=WORKFLOW)
    done = ended(stack, group)
    assert done["status"] == "succeeded", [stack.get(one["id"])["error"] for one in done["members"]]
    kinds = [output["media_type"] for output in done["outputs"]]
    assert kinds == ["image/png", "image/png", "video/mp4", "audio/wav"]
    picture, large, film, speech = (stack.http.get(output["url"]).content for output in done["outputs"])
    for name, data in {"picture.png": picture, "large.png": large, "film.mp4": film, "speech.wav": speech}.items():
        (tmp_path / name).write_bytes(data)

    small, twice = (Image.open(io.BytesIO(data)).convert("RGB") for data in (picture, large))
    assert twice.size == (2 * small.width, 2 * small.height)
    apart = np.abs(np.asarray(twice.resize(small.size), float) - np.asarray(small, float)).mean()
    assert apart < 4, "the larger one shows the same"

    with av.open(io.BytesIO(film)) as container:
        frames = [frame.to_ndarray(format="rgb24").astype(float) for frame in container.decode(video=0)]
    assert len(frames) == 6
    assert np.abs(frames[0] - frames[-1]).mean() > 3, "something happens in it"

    with wave.open(io.BytesIO(speech)) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
        assert 2.0 < sound.getnframes() / sound.getframerate() < 15.0
    assert np.abs(samples).max() > 1_000, "it is not silent"

    jobs = {member["name"]: stack.get(member["id"]) for member in done["members"]}
    assert jobs["large"]["depends_on"] == [jobs["picture"]["id"]]
    assert jobs["film"]["depends_on"] == [jobs["large"]["id"]]
    assert jobs["film"]["started_at"] > jobs["large"]["finished_at"] > jobs["picture"]["finished_at"]


def test_a_film_of_a_picture_that_failed_is_not_begun(stack: RunningStack) -> None:
    broken = {"name": "picture", "model": "noop", "input": {"prompt": "x", "fail": "error"}}
    done = ended(stack, gather(stack, members=[broken, *WORKFLOW[1:3]], on_member_failure="continue"))
    assert done["status"] == "failed"
    assert [stack.get(member["id"])["attempt"] for member in done["members"]] == [3, 0, 0]
