"""`safelight bench model`: what it measures, which batch size it calls best, and what it writes."""

import json
import os
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from jobs.errors import OutOfMemory
from models.catalog import SHIPPED, read_catalog
from models.entry import Entry
from models.measuring import Measure, find_best, measure
from models.noop import Noop
from models.rewriting import find_file, write_batch_max
from models.runner import Request, Result, Watch
from tests.stacks import SAFELIGHT

MINE = """# A model of mine.
name = "mine"
version = "1"
media_kind = "none"
runner = "noop"

[batch]   # measured by nobody
max = 1   # so far
sizes = [1, 2]

[input]
type = "object"
additionalProperties = false
required = ["prompt"]
[input.properties]
prompt = { type = "string" }
steps = { type = "integer", default = 2 }
duration_s = { type = "number", default = 0.2 }
"""


class Device(Noop):
    """The diagnostic model on a device that bears so many rows at a time."""

    def __init__(self, bears: int) -> None:
        self.bears = bears

    def generate(self, requests: Sequence[Request], watch: Watch, rows: int = 0) -> list[Result]:
        if len(requests) > self.bears:
            raise OutOfMemory
        return super().generate(requests, watch, rows)


def mine(folder: Path) -> Entry:
    (folder / "mine.toml").write_text(MINE)
    return read_catalog(str(folder)).find("mine")


def safelight(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"SAFELIGHT_MODELS": str(folder), "SAFELIGHT_DATA_DIR": str(folder / "data")}
    return subprocess.run([SAFELIGHT, "bench", "model", *arguments], env=environment, capture_output=True, text=True)


def curve(*seconds: float) -> list[Measure]:
    return [Measure(2**power, 8, wall, 1.0, 1) for power, wall in enumerate(seconds)]


def test_the_best_size_is_the_smallest_that_is_about_as_good_as_any() -> None:
    assert find_best(curve(1.0, 0.6, 0.5, 0.49), "wall") == 4
    assert find_best(curve(1.0, 0.9, 0.8, 0.7), "wall") == 8
    assert find_best(curve(1.0, 1.2, 1.1), "wall") == 1
    assert find_best(curve(1.0, 0.5), "cpu") == 1


def test_sizes_double_until_one_runs_out_of_memory(tmp_path: Path) -> None:
    report = measure(mine(tmp_path), Device(5), "cpu", steps=[2], rounds=1)
    assert [one.size for one in report.measures] == [1, 2, 4]
    assert (report.best, report.too_large) == (4, 8)
    assert all(one.peak_bytes > 0 and one.wall_s > one.cpu_s for one in report.measures)
    with pytest.raises(OutOfMemory, match="Not even 1 output"):
        measure(mine(tmp_path), Device(0), "cpu", steps=[2], rounds=1)


def test_sizes_and_steps_that_are_named_are_those_measured(tmp_path: Path) -> None:
    report = measure(mine(tmp_path), Device(9), "cpu", steps=[1, 3], sizes=[2, 3], rounds=1)
    assert [(one.size, one.steps) for one in report.measures] == [(2, 1), (2, 3), (3, 1), (3, 3)]
    assert report.too_large is None


def test_the_best_size_is_written_and_all_else_stays_as_it_was(tmp_path: Path) -> None:
    entry = mine(tmp_path)
    assert find_file(entry) == tmp_path / "mine.toml"
    write_batch_max(tmp_path / "mine.toml", 4)
    text = (tmp_path / "mine.toml").read_text()
    assert text == MINE.replace("max = 1 ", "max = 4 ").replace("[1, 2]", "[1, 2, 4]")
    assert read_catalog(str(tmp_path)).find("mine").batch.max == 4
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.toml"]


def test_a_toml_without_a_batch_part_gets_one(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text('# mine\nname = "other"\n[input]\ntype = "object"\n')
    write_batch_max(file, 2)
    assert tomllib.loads(file.read_text())["batch"] == {"max": 2}
    assert file.read_text().startswith("# mine\n")


def test_the_command_measures_and_writes(tmp_path: Path) -> None:
    mine(tmp_path)
    done = safelight(tmp_path, "mine", "--steps", "1", "--sizes", "1,2", "--rounds", "1", "--write", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["model"], found["best"], found["max"]) == ("mine@1", 2, 1)
    assert [one["size"] for one in found["measures"]] == [1, 2]
    assert found["written"] == str(tmp_path / "mine.toml")
    assert tomllib.loads((tmp_path / "mine.toml").read_text())["batch"]["max"] == 2
    table = safelight(tmp_path, "mine", "--sizes", "1", "--rounds", "1")
    assert "best: 1 by wall time; its TOML says max = 2" in table.stdout


def test_a_refusal_is_1_and_wrong_usage_is_2(tmp_path: Path) -> None:
    before = (SHIPPED / "scenes.toml").read_text()
    refused = safelight(tmp_path, "scenes", "--write")
    assert (refused.returncode, "--force" in refused.stderr) == (1, True)
    assert (SHIPPED / "scenes.toml").read_text() == before
    assert safelight(tmp_path, "nothing").returncode == 1
    assert safelight(tmp_path, "scenes", "--sizes", "0").returncode == 2
    assert safelight(tmp_path, "scenes", "--sizes", "many").returncode == 2
