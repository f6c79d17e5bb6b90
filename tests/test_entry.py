"""An entry's input: what is refused, what is filled in, what may share a batch, and how much work it is."""

from pathlib import Path
from typing import Any

import pytest

from jobs.errors import InvalidInput
from models.catalog import read_catalog, read_entry
from models.entry import Entry
from tests.test_catalog import write


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    found = read_entry(write(tmp_path, "painter"))
    assert isinstance(found, Entry), found
    return found


def test_every_optional_field_may_be_null_and_a_required_one_may_not(entry: Entry) -> None:
    optional = set(entry.input["properties"]) - {"prompt"}
    entry.validate_input({"prompt": "a", **dict.fromkeys(optional)})
    with pytest.raises(InvalidInput):
        entry.validate_input({"prompt": None})


def test_every_wrong_field_is_named(entry: Entry) -> None:
    with pytest.raises(InvalidInput, match="painter") as refused:
        entry.validate_input({"steps": 0, "width": 100, "style": "chalk", "colour": 1, "colours": 2, "seed": "x"})
    fields = {fault.field: fault.detail for fault in refused.value.faults}
    assert set(fields) == {
        f"input.{name}" for name in ("prompt", "steps", "width", "style", "colour", "colours", "seed")
    }
    assert fields["input.prompt"] == "This field is required."
    assert fields["input.colour"] == "There is no such field."
    assert "ink" in fields["input.style"]


def test_a_fault_never_repeats_a_huge_value(entry: Entry) -> None:
    with pytest.raises(InvalidInput) as refused:
        entry.validate_input({"prompt": "x" * 100_000})
    assert [len(fault.detail) < 310 for fault in refused.value.faults] == [True]


def test_defaults_are_filled_in_and_null_means_not_given(entry: Entry) -> None:
    defaults = {"steps": 8, "width": 128, "guidance": 3.0, "count": 1, "exact": False}
    assert entry.resolve({"prompt": "a"}) == {"prompt": "a", **defaults}
    assert entry.resolve({"prompt": "a", "steps": None, "seed": None}) == {"prompt": "a", **defaults}
    given = {"prompt": "a", "steps": 1, "width": 16, "guidance": 0, "count": 2, "exact": True, "seed": 0}
    assert entry.resolve(given) == given


def test_a_whole_number_written_with_a_fraction_is_that_whole_number(entry: Entry) -> None:
    """JSON Schema calls 128.0 an integer; a pipeline does not."""
    given = {"prompt": "a", "width": 128.0, "steps": 8.0}
    entry.validate_input(given)
    resolved = entry.resolve(given)
    assert [(type(resolved[name]), resolved[name]) for name in ("width", "steps")] == [(int, 128), (int, 8)]
    assert entry.batch_key(resolved) == key(entry)


def key(entry: Entry, **given: Any) -> str | None:
    return entry.batch_key(entry.resolve({"prompt": "a", **given}))


def test_jobs_that_differ_only_in_prompt_and_seed_share_a_batch_key(entry: Entry) -> None:
    assert key(entry) is not None
    assert key(entry) == key(entry, prompt="b", seed=7) == key(entry, steps=8, width=128, style=None)
    assert key(entry, negative_prompt="a") == key(entry, negative_prompt="b")


@pytest.mark.parametrize(
    "given", [{"steps": 9}, {"width": 64}, {"count": 2}, {"style": "ink"}, {"guidance": 4}, {"size": 1}]
)
def test_jobs_that_differ_in_anything_else_do_not(entry: Entry, given: dict[str, Any]) -> None:
    assert key(entry, **given) not in (None, key(entry))


def test_a_job_with_a_negative_prompt_and_one_without_share_no_batch(entry: Entry) -> None:
    """To some pipelines no negative prompt and an empty one are not the same."""
    assert key(entry, negative_prompt="") not in (None, key(entry))


def test_a_job_that_asks_for_exact_bytes_runs_alone(entry: Entry) -> None:
    assert key(entry, exact=True) is None


def with_media(folder: Path, size: str) -> Entry:
    file = write(folder, "redrawer")
    picture = 'picture = { type = "string", format = "media", x-media = ["image/png", "image/webp"] }\n'
    file.write_text(
        file.read_text().replace('width = { type = "integer", default = 128, multipleOf = 16 }', size) + picture
    )
    found = read_entry(file)
    assert isinstance(found, Entry), found
    return found


def test_media_may_differ_from_row_to_row_once_they_are_brought_to_one_size(tmp_path: Path) -> None:
    sized = with_media(
        tmp_path, 'width = { type = "integer", default = 64 }\nheight = { type = "integer", default = 64 }'
    )
    assert sized.media_inputs == {"picture": ("image/png", "image/webp")}
    assert key(sized, picture="upload:1") == key(sized, picture="job:2#0")
    assert key(sized) not in (None, key(sized, picture="upload:1"))
    unsized = with_media(tmp_path, "")
    assert key(unsized) is not None
    assert key(unsized, picture="upload:1") is None


def test_a_model_whose_batch_is_one_and_another_version_share_no_key(tmp_path: Path, entry: Entry) -> None:
    other = read_entry(write(tmp_path, "painter", "2"))
    file = write(tmp_path, "loner")
    file.write_text(file.read_text().replace("max = 4", "max = 1"))
    alone = read_entry(file)
    assert isinstance(other, Entry)
    assert isinstance(alone, Entry)
    assert key(other) != key(entry)
    assert key(alone) is None


def test_units_and_steps_are_what_the_input_says_or_one(entry: Entry) -> None:
    resolved = entry.resolve({"prompt": "a", "count": 3, "steps": 5})
    assert (entry.units(resolved), entry.steps(resolved)) == (3, 5)
    assert (entry.units({}), entry.steps({})) == (1, 1)


def test_what_begins_with_a_picture_takes_the_last_steps_only_and_a_walk_draws_twice_its_frames() -> None:
    def effort(name: str, **given: Any) -> tuple[int, float]:
        entry = read_catalog().find(name)
        resolved = entry.resolve({"prompt": "a", "width": 100, "height": 100, **given})
        return entry.steps(resolved), round(entry.work(resolved), 6)

    assert effort("scenes", steps=8) == (8, 0.08)
    assert effort("scenes-img2img", image="upload:1", steps=10, strength=0.5) == (5, 0.05)
    assert effort("scenes-walk", to="b", seconds=3, fps=10, steps=8) == (60, 4.8)
    assert effort("scenes-walk", to="b", seconds=3, fps=10, steps=8, strength=0.5, image="upload:1") == (60, 2.4)
    assert effort("scenes-walk", to="b", seconds=1, fps=10, steps=8) == (34, 2.72)
    assert effort("speech", prompt="four") == (1, 4.0)
    assert effort("enlarge", factor=3) == (1, 9.0)
