"""The model that ships draws what the words say: coarse facts of colour and light that need no trained eye.
The fine ones are judged by `make judge`, whose report is committed beside the training code."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.catalog import read_catalog
from models.loading import LoadedModels
from models.runner import NO_PREVIEWS, Media, Previews, Request

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = ROOT / "models" / "weights" / "scenes"
REPORT = json.loads((ROOT / "models" / "training" / "judge_report.json").read_text())
SEEDS = range(3)

Draw = Callable[[str], np.ndarray]


class Unwatched:
    def viewers(self) -> tuple[int, ...]:
        return ()

    def step(self, step: int, steps: int, previews: Previews = NO_PREVIEWS) -> None:
        return None

    def pulse(self) -> None:
        return None


@pytest.fixture(scope="module")
def draw() -> Draw:
    """A prompt's mean picture over a few seeds: height × width × RGB, 0 to 255."""
    entry = read_catalog().find("scenes")
    runner, _ = LoadedModels("cpu").take(entry)

    def drawn(prompt: str) -> np.ndarray:
        resolved = entry.resolve({"prompt": prompt, "steps": 6})
        results = runner.generate([Request(resolved, seed, 1) for seed in SEEDS], Unwatched())
        media = [one for result in results if isinstance(result, list) for one in result]
        assert len(media) == len(SEEDS)
        return np.mean([pixels(one) for one in media], axis=0)

    return drawn


def pixels(media: Media) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(media.data)).convert("RGB"), dtype=float)


def ground(picture: np.ndarray) -> np.ndarray:
    """The mean colour of the lowest eighth."""
    return picture[-picture.shape[0] // 8 :].mean(axis=(0, 1))


def test_night_is_darker_than_day(draw: Draw) -> None:
    assert draw("a meadow at night").mean() < draw("a meadow by day").mean() - 40


def test_snow_is_bright_the_desert_is_sandy_the_sea_is_blue_and_the_meadow_is_green(draw: Draw) -> None:
    snow, desert, sea, meadow = (
        ground(draw(f"{place} by day")) for place in ("snow", "a desert", "the sea", "a meadow")
    )
    assert snow.min() > 150
    assert desert[0] > desert[1] > desert[2] + 20
    assert sea[2] > sea[0] + 20
    assert meadow[1] > max(meadow[0], meadow[2]) + 10


def test_dusk_is_redder_than_day(draw: Draw) -> None:
    def redness(picture: np.ndarray) -> float:
        sky = picture[: picture.shape[0] // 3].mean(axis=(0, 1))
        return float(sky[0] - sky[2])

    assert redness(draw("the sea at dusk")) > redness(draw("the sea by day")) + 40


def test_a_subject_stands_where_the_words_put_it(draw: Draw) -> None:
    left, right = (draw(f"a red house on the {side} in the snow by day") for side in ("left", "right"))
    difference = np.abs(left - right).mean(axis=2)
    middle = difference.shape[1] // 3
    assert min(difference[:, :middle].mean(), difference[:, -middle:].mean()) > difference[:, middle:-middle].mean()


def test_the_weights_are_small_and_safe() -> None:
    files = [file for file in WEIGHTS.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files if file.suffix == ".safetensors") <= 15_000_000
    assert not [file for file in files if file.suffix in {".bin", ".pt", ".pkl", ".ckpt", ".py"}]
    assert {"README.md", "model_index.json"} <= {file.name for file in files}


GATE = {
    "template captions": {
        **dict.fromkeys(("time", "ground", "mountains"), 0.98),
        **dict.fromkeys(("subject", "subject_place"), 0.96),
        **dict.fromkeys(("body", "body_place", "body_colour"), 0.94),
        "all right": 0.88,
    },
    "free wording": dict.fromkeys(
        ("time", "ground", "mountains", "subject", "subject_place", "body", "body_place", "body_colour"), 0.85
    ),
}


def test_the_committed_judgement_is_of_these_weights_and_passes_the_gate() -> None:
    weights = hashlib.sha256((WEIGHTS / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()).hexdigest()
    assert REPORT["denoiser sha256"] == weights, "judge the weights that ship: make judge"
    assert REPORT["decoder dB"] >= 33
    short = {
        f"{captions}: {attribute}": REPORT[captions][attribute]
        for captions, least in GATE.items()
        for attribute, share in least.items()
        if REPORT[captions].get(attribute, 1.0) < share
    }
    assert not short
