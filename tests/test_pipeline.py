"""The real pipeline with the model that ships: what a seed, a batch, a size and an interruption mean."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from jobs.errors import Interrupted, ModelFault, ModelUnavailable
from models.catalog import SHIPPED, read_entry
from models.diffusion import DiffusersRunner, resolve_device
from models.entry import Entry
from models.loading import LoadedModels
from models.runner import Media, Request
from tests.test_noop import Watching

PROMPT = "a lighthouse on the right in a stormy night"
OTHER = "a pyramid in the desert under a crescent moon"


def shipped() -> Entry:
    entry = read_entry(SHIPPED / "scenes.toml")
    assert isinstance(entry, Entry), entry
    return entry


LARGEST: int = shipped().input["properties"]["seed"]["maximum"]


@pytest.fixture(scope="module")
def runner() -> DiffusersRunner:
    return DiffusersRunner(shipped(), "cpu")


def request(seed: int = 7, prompt: str = PROMPT, **given: Any) -> Request:
    """Small and with few steps, for machines that are slow or busy."""
    wanted = {"prompt": prompt, "steps": 2, "width": 64, "height": 64, **given}
    shipped().validate_input(wanted)
    return Request(shipped().resolve(wanted), seed, 1)


def draw(runner: DiffusersRunner, *requests: Request, watch: Watching | None = None) -> list[list[Media]]:
    drawn = []
    for result in runner.generate(requests, watch or Watching()):
        assert not isinstance(result, ModelFault)
        drawn.append(result)
    return drawn


def one(runner: DiffusersRunner, wanted: Request) -> Media:
    ((media,),) = draw(runner, wanted)
    return media


def image(media: Media) -> Image.Image:
    return Image.open(io.BytesIO(media.data)).convert("RGB")


def farthest(one: Media, other: Media) -> int:
    """The largest difference of any pixel in any colour, in 8-bit levels."""
    bounds = ImageChops.difference(image(one), image(other)).getextrema()
    return max(int(high) for _, high in bounds)


def test_a_picture_is_a_png_of_the_size_it_says_and_shows_something(runner: DiffusersRunner) -> None:
    media = one(runner, Request(shipped().resolve({"prompt": PROMPT}), 7, 1))
    assert (media.media_type, media.width, media.height, media.seed) == ("image/png", 256, 256, 7)
    assert Image.open(io.BytesIO(media.data)).format == "PNG"
    assert image(media).size == (256, 256)
    assert len(image(media).getcolors(1 << 16) or ()) > 50


def test_the_same_seed_gives_the_same_bytes(runner: DiffusersRunner) -> None:
    assert one(runner, request(seed=11)).data == one(runner, request(seed=11)).data


def test_another_seed_or_input_gives_another_picture(runner: DiffusersRunner) -> None:
    wanted = [
        request(),
        request(seed=8),
        request(prompt=OTHER),
        request(steps=3),
        request(guidance=1.0),
        request(negative_prompt="night"),
    ]
    assert len({one(runner, each).data for each in wanted}) == len(wanted)


def test_seeds_as_large_as_the_input_allows_are_told_apart(runner: DiffusersRunner) -> None:
    pictures = [one(runner, request(seed=seed)) for seed in (0, LARGEST // 2 + 1, LARGEST)]
    assert [media.seed for media in pictures] == [0, LARGEST // 2 + 1, LARGEST]
    assert len({media.data for media in pictures}) == 3


def test_a_request_for_several_pictures_gives_them_with_seeds_that_count_up(runner: DiffusersRunner) -> None:
    (pictures,) = draw(runner, request(seed=40, count=3))
    assert [media.seed for media in pictures] == [40, 41, 42]
    for media in pictures:
        assert farthest(media, one(runner, request(seed=media.seed or 0))) <= 1


def test_seeds_that_count_up_beyond_the_largest_are_seeds_one_could_ask_for(runner: DiffusersRunner) -> None:
    (pictures,) = draw(runner, request(seed=LARGEST, count=2))
    assert pictures[0].seed == LARGEST
    shipped().validate_input({"prompt": PROMPT, "seed": pictures[1].seed})


def test_a_picture_in_company_is_that_drawn_alone_within_one_level(runner: DiffusersRunner) -> None:
    wanted = [request(seed=1), request(seed=2, prompt=OTHER), request(seed=1, negative_prompt="sea")]
    for wish, (media,) in zip(wanted, draw(runner, *wanted), strict=True):
        assert farthest(media, one(runner, wish)) <= 1


def test_at_the_same_batch_size_company_and_place_change_no_byte(runner: DiffusersRunner) -> None:
    wish = request(seed=5)
    first = draw(runner, wish, request(seed=6, prompt=OTHER))[0][0]
    second = draw(runner, request(seed=9, prompt="a red sun"), wish)[1][0]
    assert first.data == second.data


def test_requests_of_several_pictures_share_a_batch_and_get_their_own(runner: DiffusersRunner) -> None:
    mine, theirs = draw(runner, request(seed=10, count=2), request(seed=90, count=2))
    assert [media.seed for media in mine + theirs] == [10, 11, 90, 91]


@pytest.mark.parametrize(("width", "height"), [(64, 64), (256, 64), (96, 160)])
def test_width_and_height_are_obeyed(runner: DiffusersRunner, width: int, height: int) -> None:
    media = one(runner, request(width=width, height=height))
    assert image(media).size == (media.width, media.height) == (width, height)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_each_denoising_step_is_reported_once_in_order(runner: DiffusersRunner, steps: int) -> None:
    watch = Watching()
    draw(runner, request(steps=steps), watch=watch)
    assert watch.steps == [(step, steps) for step in range(1, steps + 1)]


@pytest.mark.parametrize("stop_after", [1, 2])
def test_an_interruption_stops_at_that_step_and_the_runner_stays_usable(
    runner: DiffusersRunner, stop_after: int
) -> None:
    before = one(runner, request())
    watch = Watching(stop_after)
    with pytest.raises(Interrupted):
        runner.generate([request(steps=9), request(seed=8, steps=9)], watch)
    assert [step for step, _ in watch.steps] == list(range(1, stop_after + 1))
    assert one(runner, request()).data == before.data


def test_an_input_the_pipeline_refuses_is_a_fault_and_the_runner_stays_usable(
    runner: DiffusersRunner,
) -> None:
    before = one(runner, request())
    strange = Request({**request().input, "steps": "many"}, 7, 1)
    with pytest.raises(ModelFault) as fault:
        runner.generate([strange], Watching())
    assert "\n" not in str(fault.value)
    assert one(runner, request()).data == before.data


def cut_in_half(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])


def garble(file: Path) -> None:
    file.write_bytes(b"\0" * file.stat().st_size)


def forbid_pickle(file: Path) -> None:
    """The same weights, but only under the name of a pickle."""
    file.rename(file.with_suffix(".bin"))


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a file cut short": ("unet/diffusion_pytorch_model.safetensors", cut_in_half),
    "a file of zeros": ("vae/diffusion_pytorch_model.safetensors", garble),
    "a file missing": ("text_encoder/model.safetensors", Path.unlink),
    "weights as a pickle": ("unet/diffusion_pytorch_model.safetensors", forbid_pickle),
    "a folder missing": ("vae", shutil.rmtree),
    "an index missing": ("model_index.json", Path.unlink),
    "an index cut short": ("model_index.json", cut_in_half),
    "a configuration cut short": ("unet/config.json", cut_in_half),
    "a tokenizer cut short": ("tokenizer/tokenizer.json", cut_in_half),
    "everything missing": (".", shutil.rmtree),
}


@pytest.mark.parametrize(("name", "damage"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damaged_weights_are_a_model_that_is_unavailable(
    tmp_path: Path, name: str, damage: Callable[[Path], object]
) -> None:
    entry = shipped().model_copy().placed(tmp_path / "shelf")
    assert entry.weights_folder is not None
    shutil.copytree(shipped().weights_folder or "", entry.weights_folder)
    damage(entry.weights_folder / name)
    with pytest.raises(ModelUnavailable, match="scenes@1 cannot be loaded: ") as fault:
        DiffusersRunner(entry, "cpu")
    assert fault.value.code == "model_unavailable"
    assert "\n" not in str(fault.value)


def test_a_model_that_cannot_be_loaded_does_not_keep_a_place_among_those_that_can(tmp_path: Path) -> None:
    models = LoadedModels("cpu", most=2)
    with pytest.raises(ModelUnavailable):
        models.take(shipped().model_copy(update={"name": "gone"}).placed(tmp_path))
    runner, load_s = models.take(shipped())
    assert load_s > 0
    assert models.take(shipped()) == (runner, 0.0)
    assert models.names == ["scenes@1"]


def test_a_device_that_was_named_is_the_device() -> None:
    assert (resolve_device("cpu"), resolve_device("cuda:3", 1)) == ("cpu", "cuda:3")
    assert resolve_device("auto").split(":")[0] in {"cpu", "cuda", "mps"}
