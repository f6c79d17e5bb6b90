"""Pipelines that return films, sounds or larger pictures, by the example TOMLs. Their weights are random, so what
they show is noise; but it is the right file, of the right size."""

import inspect
import io
import wave
from pathlib import Path
from typing import Any

import av
import diffusers
import pytest
from PIL import Image

from jobs.errors import Interrupted, ModelFault, ModelUnavailable
from models.catalog import read_entry
from models.diffusion import DiffusersRunner
from models.entry import Entry, Source
from models.manifest import read_manifest
from models.runner import Attachment, Media, Request
from tests.foreign import EXAMPLES, foreign
from tests.pipelines import tiny
from tests.test_noop import Watching

CLASSES = {
    "flux-schnell": "FluxPipeline",
    "ltx-video": "LTXPipeline",
    "pixart-sigma": "PixArtSigmaPipeline",
    "sd-x4-upscaler": "StableDiffusionUpscalePipeline",
    "sd35-medium": "StableDiffusion3Pipeline",
    "sdxl-base": "StableDiffusionXLPipeline",
    "sdxl-img2img": "StableDiffusionXLImg2ImgPipeline",
    "sdxl-turbo": "StableDiffusionXLPipeline",
    "stable-audio": "StableAudioPipeline",
    "wan-t2v": "WanPipeline",
}


def wish(entry: Entry, picture: Path | None = None, **given: Any) -> Request:
    wanted = {"prompt": "a sea by night", "steps": 2, **({"image": "upload:1"} if picture else {}), **given}
    entry.validate_input(wanted)
    media = {"image": Attachment(picture, "image/png")} if picture else {}
    return Request(entry.resolve(wanted), 7, 1, media)


def make(runner: DiffusersRunner, wanted: Request, watch: Watching | None = None) -> Media:
    (result,) = runner.generate([wanted], watch or Watching())
    assert not isinstance(result, ModelFault), result
    (media,) = result
    return media


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_an_example_hands_its_pipeline_nothing_that_it_does_not_take(name: str) -> None:
    entry = read_entry(EXAMPLES / f"{name}.toml")
    assert isinstance(entry, Entry), entry
    taken = set(inspect.signature(getattr(diffusers, CLASSES[name]).__call__).parameters)
    ours = {"seed", "count", "exact", "fps"} - entry.call.keys()
    ours |= {"width", "height"} if entry.media_inputs else set()
    assert {entry.call.get(one, one) for one in entry.input["properties"] if one not in ours} <= taken


def test_every_example_has_a_class_here() -> None:
    assert {file.stem for file in EXAMPLES.glob("*.toml")} == set(CLASSES)


def test_frames_become_a_film_of_their_number_size_and_pace(tmp_path: Path) -> None:
    entry = foreign("wan-t2v", tmp_path)
    runner, watch = DiffusersRunner(entry, "cpu"), Watching()
    wanted = wish(entry, num_frames=9, fps=8, width=256, height=256)
    media = make(runner, wanted, watch)
    assert (media.media_type, media.width, media.height, media.duration_s) == ("video/mp4", 256, 256, 9 / 8)
    assert watch.steps == [(1, 2), (2, 2)]
    with av.open(io.BytesIO(media.data)) as film:
        shown = list(film.decode(video=0))
        assert (len(shown), shown[0].width, float(film.streams.video[0].average_rate or 0)) == (9, 256, 8.0)
    assert make(runner, wanted).data == media.data
    manifest = read_manifest(media.data, "video/mp4")
    assert manifest is not None
    assert (manifest["model"], manifest["input"]["seed"], manifest["input"]["num_frames"]) == ("wan-t2v", 7, 9)
    with pytest.raises(Interrupted):
        runner.generate([wanted], Watching(stop_after=1))


@pytest.mark.filterwarnings("ignore:.*weight_norm")
def test_a_sound_becomes_a_wav_of_its_length_and_rate(tmp_path: Path) -> None:
    entry = foreign("stable-audio", tmp_path)
    media = make(DiffusersRunner(entry, "cpu"), wish(entry, seconds=2.5))
    assert (media.media_type, media.duration_s, media.width) == ("audio/wav", 2.5, None)
    with wave.open(io.BytesIO(media.data)) as sound:
        assert (sound.getnchannels(), sound.getframerate(), sound.getnframes()) == (2, 8000, 20_000)
    assert read_manifest(media.data, "audio/wav") is not None


def test_a_picture_is_enlarged_and_one_that_is_too_large_is_that_jobs_fault(tmp_path: Path) -> None:
    entry = foreign("sd-x4-upscaler", tmp_path)
    runner = DiffusersRunner(entry, "cpu")
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    Image.new("RGB", (70, 40), "teal").save(small)
    Image.new("RGB", (513, 8)).save(large)
    media = make(runner, wish(entry, small))
    assert (media.media_type, media.width, media.height) == ("image/png", 4 * 64, 4 * 40)
    (fault,) = runner.generate([wish(entry, large)], Watching())
    assert isinstance(fault, ModelFault)
    assert (fault.code, fault.retryable) == ("invalid_media", False)
    assert "512 pixels at most" in str(fault)


@pytest.mark.parametrize("name", ["NoSuchPipeline", "UNet2DConditionModel", "FluxPipeline"])
def test_a_pipeline_class_that_is_none_or_does_not_fit_is_a_model_that_is_unavailable(
    tmp_path: Path, name: str
) -> None:
    source = Source(folder=tiny(tmp_path).weights_folder, pipeline=name)
    with pytest.raises(ModelUnavailable):
        DiffusersRunner(tiny(tmp_path).model_copy(update={"source": source}), "cpu")
