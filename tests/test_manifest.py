"""The manifest in each artifact says what determines it and no more; the context says what else may move a bit."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from models.catalog import read_catalog
from models.context import run_context
from models.diffusion import DiffusersRunner
from models.entry import Entry, Source
from models.fingerprint import weights_of
from models.loading import LoadedModels
from models.manifest import describe, read_manifest
from models.runner import Attachment, Request
from tests.pipelines import tiny
from tests.test_noop import Watching
from tests.test_noop import request as noop_request
from tests.test_pipeline import one, request


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Entry:
    return tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def runner(entry: Entry) -> DiffusersRunner:
    return DiffusersRunner(entry, "cpu")


def test_a_picture_says_how_it_is_made_again(entry: Entry, runner: DiffusersRunner) -> None:
    media = one(runner, request(seed=11))
    assert read_manifest(media.data, "image/png") == {
        "safelight": 1,
        "model": "tiny",
        "version": "1",
        "weights": weights_of(entry),
        "input": {
            "prompt": "a lighthouse on the right in a stormy night",
            "negative_prompt": "",
            "steps": 2,
            "guidance": 3.0,
            "width": 64,
            "height": 64,
            "seed": 11,
        },
    }


def test_who_asked_how_often_and_with_whom_changes_no_byte(runner: DiffusersRunner) -> None:
    """Two rows in each batch: at another size a pixel may move."""
    wish = request(seed=41)
    exact = Request({**wish.input, "exact": True}, 41, attempt=3)
    (one_of_two,) = runner.generate([request(seed=40, count=2)], Watching())
    (padded,) = runner.generate([exact], Watching(), 2)
    assert isinstance(one_of_two, list)
    assert isinstance(padded, list)
    assert one_of_two[1].data == padded[0].data


def test_media_among_the_inputs_are_named_by_their_content(tmp_path: Path, entry: Entry) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"abc")
    named = Request({"image": "job:1#0"}, 7, 1, {"image": Attachment(picture, "image/png")})
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert describe(entry, None, named, None)["input"] == {"image": f"sha256:{digest}"}


def test_words_in_any_script_come_back_as_they_were(runner: DiffusersRunner) -> None:
    prompt = 'ein Häuschen 🏠 \u0000 \\ " \u202e'
    manifest = read_manifest(one(runner, request(prompt=prompt)).data, "image/png")
    assert manifest is not None
    assert manifest["input"]["prompt"] == prompt


@pytest.mark.parametrize("media_type", ["image/png", "video/mp4", "audio/wav", "text/plain"])
@pytest.mark.parametrize(
    "data", [b"", b"\0" * 100, b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xffINFO", b"\x89PNG\r\n\x1a\n"]
)
def test_what_carries_no_manifest_has_none(data: bytes, media_type: str) -> None:
    assert read_manifest(data, media_type) is None


def test_the_diagnostic_model_carries_none_and_stays_tiny() -> None:
    runner, _ = LoadedModels("cpu").take(read_catalog(diagnostics=True).find("noop"))
    (result,) = runner.generate([noop_request()], Watching())
    assert isinstance(result, list)
    assert len(result[0].data) < 200
    assert read_manifest(result[0].data, "image/png") is None


def test_weights_are_named_by_their_content_wherever_they_lie(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    here = tiny(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    there = here.model_copy().placed(tmp_path / "two" / "shelf")
    assert weights_of(here) == weights_of(there)
    assert str(weights_of(here)).startswith("sha256:")
    file = tmp_path / "two" / "weights" / "scenes" / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "flow_shift": 1.0}))
    assert weights_of(there) != weights_of(here), "a schedule determines the picture too"


def test_weights_from_elsewhere_are_named_by_what_pins_them(entry: Entry) -> None:
    def named(**source: Any) -> str | None:
        return weights_of(entry.model_copy(update={"source": Source(**source)}))

    assert named(hub="a/b", revision="a" * 40) == f"a/b@{'a' * 40}"
    assert named(package="hibari-tts") == "hibari-tts 0.2.1"
    assert named(folder="gone", sha256="b" * 64) == f"sha256:{'b' * 64}"
    assert weights_of(read_catalog().find("enlarge")) is None


def test_the_context_of_a_run_is_json_and_names_what_may_move_a_bit(entry: Entry, runner: DiffusersRunner) -> None:
    context = run_context(entry, 4)
    assert json.loads(json.dumps(context)) == context
    assert (context["rows"], context["device"], context["weights"]) == (4, "cpu", weights_of(entry))
    assert context["threads"] >= 1
    assert {"torch", "diffusers", "transformers"} <= context["libraries"].keys()
    assert LoadedModels("cpu").context(entry, 4) == context


@pytest.mark.parametrize("name", ["enlarge", "speech", "scenes-walk", "noop"])
def test_every_kind_of_runner_has_a_context(name: str) -> None:
    context = run_context(read_catalog(diagnostics=True).find(name), 1)
    assert context["libraries"]
    assert all(context["libraries"].values())
