"""Pictures from pictures with the model that ships: how much is kept, what a batch is, whose fault a bad one is."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jobs.errors import ModelFault
from models.catalog import read_catalog
from models.diffusion import DiffusersRunner
from models.manifest import read_manifest
from models.runner import Attachment, Media, Request
from tests.test_noop import Watching
from tests.test_pipeline import farthest

ENTRY = read_catalog().find("scenes-img2img")
DAWN, NIGHT = "the sea at dawn, blue mountains", "the sea at night, blue mountains"


@pytest.fixture(scope="module")
def runner() -> DiffusersRunner:
    return DiffusersRunner(ENTRY, "cpu")


@pytest.fixture(scope="module")
def dawn(runner: DiffusersRunner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn from nothing: at full strength no picture is kept."""
    folder = tmp_path_factory.mktemp("pictures")
    Image.new("RGB", (32, 32)).save(folder / "blank.png")
    media = draw(runner, request(folder / "blank.png", DAWN, strength=1.0, width=128, height=128))
    (folder / "dawn.png").write_bytes(media.data)
    return folder / "dawn.png"


def request(picture: Path, prompt: str = NIGHT, seed: int = 7, **given: Any) -> Request:
    wanted = {"prompt": prompt, "image": "upload:1", "steps": 8, "width": 64, "height": 64, **given}
    ENTRY.validate_input(wanted)
    return Request(ENTRY.resolve(wanted), seed, 1, {"image": Attachment(picture, "image/png")})


def draw(runner: DiffusersRunner, wanted: Request, watch: Watching | None = None) -> Media:
    (result,) = runner.generate([wanted], watch or Watching())
    assert isinstance(result, list), result
    return result[0]


def pixels(data: bytes, side: int = 128) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize((side, side)), dtype=float)


def test_little_strength_keeps_the_picture_and_much_follows_the_words(runner: DiffusersRunner, dawn: Path) -> None:
    before = pixels(dawn.read_bytes())
    kept = pixels(draw(runner, request(dawn, strength=0.25, steps=12, width=128, height=128)).data)
    drawn = pixels(draw(runner, request(dawn, strength=0.9, steps=20, width=128, height=128)).data)
    assert np.abs(kept - before).mean() < 15
    assert drawn.mean() < before.mean() - 40, "at night it is darker"


def test_only_the_steps_that_are_done_are_told(runner: DiffusersRunner, dawn: Path) -> None:
    watch, wanted = Watching(), request(dawn, strength=0.5)
    draw(runner, wanted, watch)
    assert watch.steps == [(step, 4) for step in range(1, 5)]
    assert ENTRY.steps(wanted.input) == 4


def test_a_picture_of_any_size_is_brought_to_the_one_asked_for(runner: DiffusersRunner, tmp_path: Path) -> None:
    Image.new("RGBA", (301, 99), (10, 200, 30, 128)).save(tmp_path / "odd.png")
    media = draw(runner, request(tmp_path / "odd.png", width=96, height=64))
    assert (media.width, media.height) == (96, 64)


def test_the_same_work_gives_the_same_bytes_and_says_what_it_was(runner: DiffusersRunner, dawn: Path) -> None:
    first = draw(runner, request(dawn))
    again = request(dawn)
    assert draw(runner, Request({**again.input, "image": "job:2#0"}, 7, 5, again.media)).data == first.data
    manifest = read_manifest(first.data, "image/png")
    assert manifest is not None
    assert manifest["input"]["image"].startswith("sha256:")
    assert manifest["input"]["strength"] == 0.9


def test_each_job_of_a_batch_has_its_own_picture_and_a_bad_one_harms_nobody(
    runner: DiffusersRunner, dawn: Path, tmp_path: Path
) -> None:
    bad, red = tmp_path / "bad.png", tmp_path / "red.png"
    bad.write_bytes(b"GIF89a nothing")
    Image.new("RGB", (64, 64), "red").save(red)
    wanted = [request(dawn, strength=0.5), request(bad), request(red, strength=0.5, count=2)]
    keys = {ENTRY.batch_key({**one.input, "count": 1}) for one in wanted[:1]}
    assert keys == {ENTRY.batch_key({**wanted[2].input, "count": 1})} != {None}
    first, wrong, reds = runner.generate(wanted, Watching())
    assert isinstance(wrong, ModelFault)
    assert (wrong.code, wrong.retryable) == ("invalid_media", False)
    assert isinstance(first, list)
    assert isinstance(reds, list)
    assert [media.seed for media in reds] == [7, 8]
    assert farthest(first[0], draw(runner, wanted[0])) <= 1
    assert pixels(reds[0].data)[..., 0].mean() > pixels(first[0].data)[..., 0].mean() + 20
    (alone,) = runner.generate([request(bad)], Watching())
    assert isinstance(alone, ModelFault), "a batch without a single picture is none"
