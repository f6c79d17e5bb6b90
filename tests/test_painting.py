"""Previews as the pipeline makes them: small JPEGs that come nearer to the picture, within a budget, and that
change nothing in the picture."""

import dataclasses
import io
import shutil
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
)
from PIL import Image

from jobs.errors import ModelFault, ModelUnavailable
from models.budget import INTERVAL_S
from models.diffusion import DiffusersRunner
from models.entry import Entry, Preview
from models.previews import MOST_BYTES, SIDE, Painter, estimate
from models.runner import NO_PREVIEWS, Media, Previews, Request
from tests.test_pipeline import OTHER, PROMPT, shipped

FOUR_CHANNELS = Preview(rgb=[[1.0, 1.0, 1.0]] * 4, offset=(0, 0, 0))


class Looking:
    """Looks at some places of the batch, and notes what it was shown and when."""

    def __init__(self, *places: int) -> None:
        self._places = places
        self.seen: list[tuple[int, int, bytes]] = []  # step, place, JPEG

    def viewers(self) -> Collection[int]:
        return self._places

    def step(self, step: int, steps: int, previews: Previews = NO_PREVIEWS) -> None:
        self.seen += [(step, place, jpeg) for place, jpeg in previews.items()]

    def pulse(self) -> None:
        return None


@pytest.fixture(scope="module")
def runner() -> DiffusersRunner:
    return DiffusersRunner(shipped(), "cpu")


@pytest.fixture(autouse=True)
def _rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """What previews show is tested here. What they may cost, tests/test_budget.py holds: on a machine busy with
    other tests even a cheap one costs more than its share."""
    monkeypatch.setattr("models.budget.SHARE", 1.0)


def request(seed: int = 7, prompt: str = PROMPT, **given: Any) -> Request:
    return Request(shipped().resolve({"prompt": prompt, "steps": 50, **given}), seed, 1)


def draw(runner: DiffusersRunner, watch: Looking, *requests: Request) -> list[Media]:
    """The first picture of each request."""
    drawn = []
    for result in runner.generate(requests, watch):
        assert not isinstance(result, ModelFault)
        drawn.append(result[0])
    return drawn


def picture(data: bytes, size: tuple[int, int] = (SIDE, SIDE)) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize(size), dtype=float)


def far(jpeg: bytes, media: Media) -> float:
    """The mean difference, in 8-bit levels."""
    return float(np.abs(picture(jpeg) - picture(media.data)).mean())


def test_previews_are_small_jpegs_that_come_nearer_to_the_picture(runner: DiffusersRunner) -> None:
    watch = Looking(0)
    (media,) = draw(runner, watch, request())
    assert len(watch.seen) > 1
    for _, _, jpeg in watch.seen:
        with Image.open(io.BytesIO(jpeg)) as image:
            assert (image.format, image.size) == ("JPEG", (SIDE, SIDE))
        assert len(jpeg) <= MOST_BYTES
    steps = [step for step, _, _ in watch.seen]
    assert steps == sorted(set(steps))
    assert steps[-1] < 50, "the last step is followed by the picture itself"
    first, last = watch.seen[0][2], watch.seen[-1][2]
    assert far(last, media) < far(first, media)


def test_the_map_that_ships_paints_what_the_decoder_paints(runner: DiffusersRunner) -> None:
    painter, latents, media = finished(runner, shipped())
    jpeg = painter.paint(latents)
    assert jpeg
    assert far(jpeg, media) < 6


def test_a_model_without_a_map_is_shown_by_its_own_decoder(runner: DiffusersRunner) -> None:
    painter, latents, media = finished(runner, shipped().model_copy(update={"preview": None}))
    jpeg = painter.paint(latents)
    assert jpeg
    assert far(jpeg, media) < 6
    assert painter.cost_s > finished(runner, shipped())[0].cost_s


def finished(runner: DiffusersRunner, entry: Entry) -> tuple[Painter, torch.Tensor, Media]:
    """A painter for an entry of this pipeline, and the latents of a finished picture."""
    (media,) = draw(runner, Looking(), request(steps=6))
    latents = runner._pipeline(
        PROMPT,
        num_inference_steps=6,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(7),
        width=256,
        height=256,
        output_type="latent",
    ).images
    return Painter(entry, runner._pipeline, "cpu"), latents[0], media


def test_pictures_that_are_not_square_are_shown_in_their_own_shape(runner: DiffusersRunner) -> None:
    watch = Looking(0)
    draw(runner, watch, request(width=192, height=96, steps=20))
    assert Image.open(io.BytesIO(watch.seen[0][2])).size == (SIDE, SIDE // 2)


def test_the_picture_is_the_same_to_the_byte_whether_somebody_looks_or_not(runner: DiffusersRunner) -> None:
    watch = Looking(0, 1)
    wanted = [request(steps=20), request(8, OTHER, steps=20)]
    assert [one.data for one in draw(runner, watch, *wanted)] == [
        one.data for one in draw(runner, Looking(), *wanted)
    ]
    assert watch.seen


def test_only_the_request_that_is_looked_at_is_shown_and_it_is_its_own_picture(runner: DiffusersRunner) -> None:
    watch = Looking(1)
    mine, theirs = draw(
        runner, watch, request(3, "snow by day", count=2, steps=20), request(8, "the sea at night", steps=20)
    )
    assert {place for _, place, _ in watch.seen} == {1}
    assert far(watch.seen[-1][2], theirs) < far(watch.seen[-1][2], mine)


def test_nobody_is_shown_more_than_four_previews_a_second(runner: DiffusersRunner) -> None:
    watch = Looking(0)
    started = time.perf_counter()
    draw(runner, watch, request())
    assert 1 < len(watch.seen) <= 1 + (time.perf_counter() - started) / INTERVAL_S


def test_a_preview_that_would_cost_too_much_is_not_made(runner: DiffusersRunner) -> None:
    costly = DiffusersRunner(shipped(), "cpu")
    for _ in range(9):
        costly._painter.note_cost(60.0)
    watch = Looking(0)
    draw(costly, watch, request(steps=4))
    assert not watch.seen


def test_noise_becomes_a_small_jpeg_too() -> None:
    loud = Preview(rgb=[[9.0, -9.0, 9.0] * 16] * 4, offset=(0.5, 0.5, 0.5))
    painter = Painter(shipped().model_copy(update={"preview": loud}), object(), "cpu")
    jpeg = painter.paint(torch.randn(4, 64, 64, generator=torch.Generator().manual_seed(1)))
    assert jpeg
    assert len(jpeg) <= MOST_BYTES


def test_latents_that_are_not_numbers_any_more_are_shown_all_the_same() -> None:
    painter = Painter(shipped().model_copy(update={"preview": FOUR_CHANNELS}), object(), "cpu")
    jpeg = painter.paint(torch.full((4, 8, 8), float("nan")))
    assert jpeg
    assert picture(jpeg).max() <= 2


def test_what_cannot_be_painted_is_not_tried_again_and_fails_no_job(caplog: pytest.LogCaptureFixture) -> None:
    runner = DiffusersRunner(shipped(), "cpu")
    runner._painter = Painter(shipped().model_copy(update={"preview": FOUR_CHANNELS}), object(), "cpu")
    watch = Looking(0)
    (media,) = draw(runner, watch, request(steps=12))
    assert media.data
    assert not watch.seen
    assert len([record for record in caplog.records if "no more previews" in record.message]) == 1
    assert not runner._painter.can_draw(torch.zeros(1, 4, 8, 8))


def test_a_decoder_that_cannot_be_used_is_no_fault_of_the_model(runner: DiffusersRunner) -> None:
    entry = shipped().model_copy(update={"preview": None})
    assert not Painter(entry, runner._pipeline, "meta").can_draw(torch.zeros(1, 24, 16, 16))


def test_latents_that_are_packed_are_not_shown(runner: DiffusersRunner) -> None:
    painter = Painter(shipped(), runner._pipeline, "cpu")
    assert painter.can_draw(torch.zeros(1, 24, 16, 16))
    assert not painter.can_draw(torch.zeros(1, 256, 96))
    assert not painter.can_draw(None)


@pytest.mark.parametrize("offload", ["model", "sequential"])
def test_a_pipeline_that_shares_its_device_is_not_decoded_in_between(runner: DiffusersRunner, offload: str) -> None:
    load = shipped().load.model_copy(update={"offload": offload})
    bare = shipped().model_copy(update={"preview": None, "load": load})
    assert not Painter(bare, runner._pipeline, "cpu").can_draw(torch.zeros(1, 24, 16, 16))
    mapped = shipped().model_copy(update={"load": load})
    assert Painter(mapped, runner._pipeline, "cpu").can_draw(torch.zeros(1, 24, 16, 16))


def test_a_map_for_another_number_of_channels_is_a_model_that_is_unavailable(tmp_path: Path) -> None:
    entry = shipped().model_copy(update={"preview": FOUR_CHANNELS})
    shutil.copytree(shipped().weights_folder or "", tmp_path / "weights" / "scenes")
    with pytest.raises(ModelUnavailable, match="rgb has 4 rows, the latents 24 channels"):
        DiffusersRunner(entry.placed(tmp_path / "shelf"), "cpu")


@dataclasses.dataclass
class Oracle:
    """Steps a scheduler with a denoiser that knows the picture, and keeps what the callback would see."""

    scheduler: Any
    picture: torch.Tensor

    def estimates(self, steps: int) -> list[torch.Tensor | None]:
        self.scheduler.set_timesteps(steps)
        noise = torch.randn(self.picture.shape, generator=torch.Generator().manual_seed(5))
        latents = noise * float(getattr(self.scheduler, "init_noise_sigma", 1.0))
        before, seen = None, []
        for index, timestep in enumerate(self.scheduler.timesteps):
            if hasattr(self.scheduler, "scale_model_input"):
                self.scheduler.scale_model_input(latents, timestep)
            wrong = self._predict(latents, float(self.scheduler.sigmas[index]))
            latents = self.scheduler.step(wrong, timestep, latents, return_dict=False)[0]
            seen.append(estimate(self.scheduler, before, latents, slice(0, 1)))
            before = latents
        return seen

    def _predict(self, latents: torch.Tensor, sigma: float) -> torch.Tensor:
        """Noise minus picture for flows, the noise for the others: what leads straight to the picture."""
        return (latents - self.picture) / sigma


FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}


@pytest.mark.parametrize(
    ("scheduler", "first"),
    [
        (DPMSolverMultistepScheduler(algorithm_type="dpmsolver++", **FLOW), 0),
        (UniPCMultistepScheduler(**FLOW), 0),
        (EulerDiscreteScheduler(), 1),
        (FlowMatchEulerDiscreteScheduler(shift=3.0), 1),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, int) else "",
)
def test_the_picture_that_the_pipeline_is_after_is_known_long_before_the_last_step(
    scheduler: Any, first: int
) -> None:
    wanted = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(6))
    seen = Oracle(scheduler, wanted).estimates(10)
    assert seen[:first] == [None] * first, "nothing worth seeing yet"
    for one in seen[first:]:
        assert one is not None
        assert torch.allclose(one, wanted, atol=1e-3)


def test_of_a_scheduler_that_does_not_tell_the_present_latents_are_shown() -> None:
    latents = torch.randn(1, 4, 8, 8)
    assert estimate(EulerAncestralDiscreteScheduler(), None, latents, slice(0, 1)) is latents


def test_one_slow_preview_does_not_end_those_of_short_jobs(runner: DiffusersRunner) -> None:
    painter = Painter(shipped(), runner._pipeline, "cpu")
    painter.note_cost(100.0)
    assert painter.cost_s < 1.0
    for _ in range(9):
        painter.note_cost(50.0)
    assert painter.cost_s == 50.0, "but what is always slow is"
