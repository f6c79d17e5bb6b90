"""The catalog: what the models that ship promise, what a TOML may say, and that a broken one harms nobody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.errors import ModelNotFound
from models.catalog import SHIPPED, Broken, Catalog, read_catalog, read_entry
from models.entry import Entry

REPOSITORY = Path(__file__).parent.parent
SHIP = {"scenes", "scenes-img2img", "scenes-walk", "enlarge", "speech"}
ENTRIES = sorted([*SHIPPED.glob("*.toml"), *(SHIPPED.parent / "examples").glob("*.toml")])

USUAL = """
name = "{name}"
version = "{version}"
media_kind = "image"
{top}
[source]
{source}
[batch]
max = 4
[input]
type = "object"
additionalProperties = false
required = ["prompt"]
[input.properties]
prompt = {{ type = "string", maxLength = 20 }}
style = {{ enum = ["ink", "oil"] }}
negative_prompt = {{ type = "string" }}
seed = {{ type = "integer", minimum = 0 }}
steps = {{ type = "integer", default = 8, minimum = 1, maximum = 50 }}
width = {{ type = "integer", default = 128, multipleOf = 16 }}
guidance = {{ type = "number", default = 3.0 }}
size = {{ type = ["integer", "string"] }}
count = {{ type = "integer", default = 1, maximum = 8 }}
exact = {{ type = "boolean", default = false }}
"""


def write(folder: Path, name: str, version: str = "1", top: str = "", source: str = 'folder = "w"') -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}-{version}.toml"
    file.write_text(USUAL.format(name=name, version=version, top=top, source=source))
    return file


def broken(file: Path) -> str:
    found = read_entry(file)
    assert isinstance(found, Broken), f"{file} was read"
    return found.reason


def test_the_catalog_is_read_without_torch() -> None:
    program = (
        "import sys; from models.catalog import read_catalog; import models.loading; "
        "assert not read_catalog(diagnostics=True).broken; "
        "print({'torch', 'diffusers', 'transformers', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY)
    assert (done.stdout.strip(), done.returncode) == ("set()", 0), done.stderr


def test_the_model_that_ships_is_the_default_and_its_weights_are_there() -> None:
    catalog = read_catalog()
    default = catalog.default()
    assert default is not None
    assert (default.name, default.media_kind, default.queue) == ("scenes", "image", "default")
    assert default.weights_folder is not None
    assert (default.weights_folder / "model_index.json").is_file()
    assert catalog.queues() == ["default"]


def test_the_diagnostic_model_is_there_only_when_asked_for() -> None:
    assert {entry.name for entry in read_catalog()} == SHIP
    assert {entry.name for entry in read_catalog(diagnostics=True)} == {"noop"} | SHIP
    with pytest.raises(ModelNotFound, match="'noop'"):
        read_catalog().find("noop")


def test_models_of_other_folders_are_added_and_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    write(tmp_path / "one", "painter", top='queue = "a100"')
    write(tmp_path / "two", "singer")
    catalog = read_catalog(os.pathsep.join([str(tmp_path / "one"), str(tmp_path / "none"), str(tmp_path / "two")]))
    assert {entry.name for entry in catalog} == SHIP | {"painter", "singer"}
    assert [fault.file for fault in catalog.broken] == [tmp_path / "none"]
    assert catalog.queues() == ["a100", "default"]
    assert catalog.find("painter").weights_folder == tmp_path / "one" / "w"


def test_a_model_is_found_by_name_alias_and_version_and_the_newest_by_default(tmp_path: Path) -> None:
    write(tmp_path, "painter", "1", top='aliases = ["brush"]')
    write(tmp_path, "painter", "2")
    catalog = read_catalog(str(tmp_path))
    for text, version in [("painter", "2"), ("painter@1", "1"), ("brush", "2"), ("brush@1", "1")]:
        assert catalog.find(text).full_name == f"painter@{version}"
    assert catalog.versions("painter") == ["1", "2"]
    assert [entry.full_name for entry in catalog if entry.name == "painter"] == ["painter@2"]


@pytest.mark.parametrize("text", ["", "@", "@1", "nobody", "scenes@9", "scenes@1@1", "Scenes", " scenes", "../x"])
def test_what_is_not_in_the_catalog_is_not_found_by_its_name(text: str) -> None:
    with pytest.raises(ModelNotFound):
        read_catalog().find(text)


def test_an_empty_catalog_has_no_default() -> None:
    assert Catalog([]).default() is None


MISTAKES = {
    "no TOML": ("version =", "version"),
    "no UTF-8": ('"ink"', '"\udcff"'),
    "no version": ('version = "1"', ""),
    "an unknown field": ("media_kind", 'colour = "red"\nmedia_kind'),
    "a bad name": ('"painter"', '"Has Blanks"'),
    "an unknown runner": ("media_kind", 'runner = "mine"\nmedia_kind'),
    "no source": ('[source]\nfolder = "w"\n', ""),
    "other fields let through": ("additionalProperties = false", ""),
    "a bad pattern": ("maxLength = 20", 'pattern = "("'),
    "a type that is none": ('type = "boolean"', 'type = "bool"'),
    "a property that is text": ('prompt = { type = "string", maxLength = 20 }', 'prompt = "string"'),
    "required that is a number": ('required = ["prompt"]', "required = 7"),
    "media that is no text": (
        "style = {",
        'picture = { type = "integer", format = "media", x-media = ["image/png"] }\nstyle = {',
    ),
    "media of no type": ("style = {", 'picture = { type = "string", format = "media" }\nstyle = {'),
    "an enum that is text": ('enum = ["ink", "oil"]', 'enum = "ink"'),
}


@pytest.mark.parametrize(("right", "wrong"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_broken_file_is_named_with_a_reason_and_harms_no_other(tmp_path: Path, right: str, wrong: str) -> None:
    write(tmp_path, "singer")
    file = write(tmp_path, "painter")
    text = file.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong), errors="surrogateescape")
    catalog = read_catalog(str(tmp_path))
    assert {entry.name for entry in catalog} == SHIP | {"singer"}
    assert [(fault.file, bool(fault.reason)) for fault in catalog.broken] == [(file, True)]


def test_a_schema_of_true_lets_any_value_through(tmp_path: Path) -> None:
    file = write(tmp_path, "painter")
    file.write_text(file.read_text() + "anything = true\n")
    entry = read_entry(file)
    assert isinstance(entry, Entry), entry
    entry.validate_input({"prompt": "a", "anything": {"goes": [1]}})
    assert entry.resolve({"prompt": "a", "anything": 1})["anything"] == 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ('hub = "someone/model"', "a hub id needs a revision"),
        ('hub = "someone/model"\nrevision = "main"', "source.revision"),
        (f'hub = "someone/model"\nrevision = "{"a" * 39}"', "source.revision"),
        (f'hub = "someone/model"\nfolder = "w"\nrevision = "{"a" * 40}"', "either a folder or a hub id"),
        ("", "either a folder or a hub id"),
        ('package = "hibari-tts"', "a folder or a hub id"),
        ('folder = "w"\npipeline = "../evil"', "source.pipeline"),
    ],
)
def test_a_source_that_is_not_one_pinned_place_is_refused(tmp_path: Path, source: str, reason: str) -> None:
    assert reason in broken(write(tmp_path, "painter", source=source))


def test_a_pinned_hub_id_is_accepted_and_has_no_folder(tmp_path: Path) -> None:
    entry = read_entry(write(tmp_path, "painter", source=f'hub = "someone/model"\nrevision = "{"a" * 40}"'))
    assert isinstance(entry, Entry), entry
    assert entry.weights_folder is None


MAP = "[preview]\noffset = [0, 0.5, 1.0]\nrgb = "


@pytest.mark.parametrize(("width", "side"), [(3, 1), (12, 2), (192, 8)])
def test_a_map_for_previews_says_how_many_pixels_a_latent_becomes(tmp_path: Path, width: int, side: int) -> None:
    entry = read_entry(write(tmp_path, "painter", top=f"{MAP}{[[0.1] * width] * 4}"))
    assert isinstance(entry, Entry), entry
    assert entry.preview is not None
    assert (len(entry.preview.rgb), entry.preview.pixels_per_latent) == (4, side)


@pytest.mark.parametrize(
    ("preview", "reason"),
    [
        (f"{MAP}[]", "preview.rgb"),
        (f"{MAP}[[]]", "three for each of n × n pixels"),
        (f"{MAP}[[1, 2]]", "three for each of n × n pixels"),
        (f"{MAP}{[[0.1] * 6]}", "three for each of n × n pixels"),
        (f"{MAP}{[[0.1] * 243]}", "three for each of n × n pixels"),
        (f"{MAP}[[1, 2, 3], [1, 2, 3, 4]]", "differ in length"),
        (f"{MAP}[[1, 2, nan]]", "preview.rgb"),
        (f'{MAP}[[1, 2, "three"]]', "preview.rgb"),
        ("[preview]\nrgb = [[1, 2, 3]]", "preview.offset"),
        ("[preview]\noffset = [1, 2]\nrgb = [[1, 2, 3]]", "preview.offset"),
    ],
)
def test_a_map_for_previews_that_is_none_is_refused(tmp_path: Path, preview: str, reason: str) -> None:
    assert reason in broken(write(tmp_path, "painter", top=preview))


@pytest.mark.parametrize("file", ENTRIES, ids=lambda file: file.stem)
def test_every_entry_that_ships_can_be_read_and_its_defaults_fit_its_own_schema(file: Path) -> None:
    entry = read_entry(file)
    assert isinstance(entry, Entry), entry
    least = dict.fromkeys(entry.input.get("required", ()), "a picture")
    entry.validate_input(entry.resolve(least))
