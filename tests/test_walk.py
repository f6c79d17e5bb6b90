"""Films by walks from prompt to prompt, with a tiny denoiser of random weights: that they are even, reproducible
and interruptible. How the true model's look is in docs/decisions/0020-walks-and-mp4.md."""

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image

from jobs.errors import Interrupted, ModelFault
from models.catalog import read_catalog
from models.entry import Entry
from models.manifest import read_manifest
from models.runner import NO_PREVIEWS, Attachment, Media, Previews, Request
from models.spacing import FINEST, between, choose, even
from models.walk import Walk
from tests.pipelines import tiny
from tests.test_noop import Watching

HERE, THERE = "the sea at dawn, a sailing boat", "a pyramid in the desert at night"


def walking() -> Entry:
    return read_catalog().find("scenes-walk")


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    folder = tmp_path_factory.mktemp("tiny")
    weights = tiny(folder).source
    return Walk(walking().model_copy(update={"source": weights}).placed(folder / "shelf"), "cpu")


def request(seed: int = 7, picture: Path | None = None, **given: Any) -> Request:
    small = {"seconds": 1, "fps": 8, "steps": 4, "width": 64, "height": 64}
    wanted = {"prompt": HERE, "to": THERE, **small, **({"image": "upload:1"} if picture else {}), **given}
    walking().validate_input(wanted)
    return Request(walking().resolve(wanted), seed, 1, {"image": Attachment(picture, "image/png")} if picture else {})


def shoot(runner: Walk, wanted: Request, watch: Watching | None = None) -> Media:
    (result,) = runner.generate([wanted], watch or Watching())
    assert isinstance(result, list), result
    return result[0]


def frames(media: Media) -> list[np.ndarray]:
    with av.open(io.BytesIO(media.data)) as film:
        return [np.asarray(frame.to_image(), dtype=float) for frame in film.decode(video=0)]


def test_a_walk_is_an_mp4_that_browsers_play_of_the_length_and_pace_asked_for(runner: Walk) -> None:
    media = shoot(runner, request())
    assert (media.media_type, media.width, media.height) == ("video/mp4", 64, 64)
    assert (media.duration_s, media.seed) == (1.0, 7)
    with av.open(io.BytesIO(media.data)) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.frames, float(stream.average_rate or 0)) == (8, 8.0)
    assert media.data.index(b"moov") < media.data.index(b"mdat"), "a player need not read to the end first"


def test_the_same_work_gives_the_same_bytes_and_other_work_others(runner: Walk) -> None:
    first = shoot(runner, request()).data
    assert shoot(runner, request()).data == first
    others = [request(seed=8), request(guidance=1.0, negative_prompt="sea")]
    assert len({first, *(shoot(runner, one).data for one in others)}) == 3


def test_progress_is_told_frame_by_frame_as_the_entry_says_and_denoising_shows_life(runner: Walk) -> None:
    watch = Watching()
    wanted = request()
    shoot(runner, wanted, watch)
    told = [step for step, _ in watch.steps]
    assert told == sorted(told)
    assert watch.steps[-1] == (32, 32)
    assert walking().steps(wanted.input) == 32
    assert watch.pulses >= 4 * len(told)


@pytest.mark.parametrize("stop_after", [0, 9])
def test_a_cancel_is_obeyed_at_a_denoising_step_and_the_runner_stays_usable(runner: Walk, stop_after: int) -> None:
    before = shoot(runner, request())
    with pytest.raises(Interrupted):
        runner.generate([request(seed=8)], Watching(stop_after))
    assert shoot(runner, request()).data == before.data


def test_who_watches_sees_the_newest_frame(runner: Walk) -> None:
    class Looking(Watching):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[bytes] = []

        def viewers(self) -> tuple[int, ...]:
            return (0,)

        def step(self, step: int, steps: int, previews: Previews = NO_PREVIEWS) -> None:
            super().step(step, steps)
            self.seen += previews.values()

    watch = Looking()
    shoot(runner, request(), watch)
    assert watch.seen
    assert all(Image.open(io.BytesIO(jpeg)).format == "JPEG" for jpeg in watch.seen)


def test_with_one_prompt_it_walks_from_this_seed_to_the_next(runner: Walk) -> None:
    alone = {**request().input}
    del alone["to"]
    seen = frames(shoot(runner, Request(alone, 7, 1)))
    first, last = (frames(shoot(runner, request(seed=seed, to=HERE)))[0] for seed in (7, 8))
    far = np.abs(first - last).mean()
    assert np.abs(seen[0] - first).mean() < far / 3, "as far as the compression of films tells"
    assert np.abs(seen[-1] - last).mean() < far / 3


def test_the_first_frame_is_the_picture_of_that_seed(runner: Walk) -> None:
    """Drawn without a walk, by the same weights."""
    wanted = request()
    call = {"num_inference_steps": 4, "guidance_scale": 3.0, "width": 64, "height": 64, "negative_prompt": ""}
    picture = runner._pipeline(HERE, generator=torch.Generator().manual_seed(7), **call).images[0]
    assert np.abs(frames(shoot(runner, wanted))[0] - np.asarray(picture, dtype=float)).mean() < 3


def test_a_walk_to_where_it_began_is_a_still(runner: Walk) -> None:
    seen = frames(shoot(runner, request(to=HERE)))
    assert max(np.abs(before - after).mean() for before, after in pairwise(seen)) < 1


def test_a_walk_may_begin_with_a_picture_and_shows_it(runner: Walk, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    Image.linear_gradient("L").resize((90, 70)).convert("RGB").save(picture)
    media = shoot(runner, request(picture=picture, strength=0.25))
    shown = np.asarray(Image.open(picture).resize((64, 64)), dtype=float).mean(axis=2)
    first = frames(media)[0].mean(axis=2)
    assert np.corrcoef(shown.ravel(), first.ravel())[0, 1] > 0.5
    manifest = read_manifest(media.data, "video/mp4")
    assert manifest is not None
    assert manifest["input"]["image"].startswith("sha256:")


def test_a_picture_that_cannot_be_read_is_a_fault_for_good(runner: Walk, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"no picture")
    (fault,) = runner.generate([request(picture=picture)], Watching())
    assert isinstance(fault, ModelFault)
    assert (fault.code, fault.retryable) == ("invalid_media", False)


def leap(places: list[float]) -> list[float]:
    """The differences of a picture that changes at once, at one third."""
    return [100.0 if low < 1 / 3 <= high else 0.1 for low, high in pairwise(places)]


@pytest.mark.parametrize("differ", [leap, lambda places: [0.0] * (len(places) - 1)], ids=["a leap", "a still"])
def test_new_places_are_always_new_whatever_differs(differ: Any) -> None:
    places = even(9)
    for _ in range(70):
        more = between(places, differ(places), 8)
        assert len({*places, *more}) == len(places) + 8
        places = sorted([*places, *more])
    assert min(high - low for low, high in pairwise(places)) > FINEST / 10
    assert max(high - low for low, high in pairwise(places)) < 0.01


def test_frames_are_drawn_where_the_picture_changes_and_chosen_in_even_steps() -> None:
    assert between([0.0, 0.5, 1.0], [1.0, 4.0], 3) == [0.625, 0.75, 0.875]
    assert between([0.0, 0.5, 1.0], [2.0, 2.0], 2) == [0.25, 0.75]
    assert choose([1.0] * 8, 3) == [0, 4, 8]
    assert choose([0.0, 0.0, 9.0, 9.0, 0.0], 3) == [0, 3, 5]
    assert choose([5.0], 2) == [0, 1]
