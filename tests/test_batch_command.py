"""`safelight batch` as a person runs it, and what it makes of what people write."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cli.batch_folder import file_name
from cli.batch_input import Plan, write_requests
from tests.servers import wait_until
from tests.stacks import SAFELIGHT, RunningStack

pytestmark = pytest.mark.slow

TYPES = {"steps": ["integer", "null"], "prompt": ["string"], "exact": ["boolean"]}


def start(stack: RunningStack, *arguments: str) -> "subprocess.Popen[str]":
    command = [SAFELIGHT, "batch", *arguments, "--url", stack.url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(stack: RunningStack, *arguments: str) -> tuple[int, str, str]:
    process = start(stack, *arguments)
    said, complained = process.communicate(timeout=120)
    return process.returncode, said, complained


def requests(tmp_path: Path, source: Path, **inputs: Any) -> list[dict[str, Any]]:
    target = tmp_path / "requests.jsonl"
    write_requests(source, Plan("noop", inputs, lambda _: TYPES), target)
    return [json.loads(raw) if raw.startswith(b"{") else raw for raw in target.read_bytes().splitlines()]


def test_three_ways_to_write_a_line_mean_the_same(tmp_path: Path) -> None:
    source = tmp_path / "jobs.jsonl"
    source.write_text(
        '{"custom_id": "a", "body": {"model": "scenes", "input": {"prompt": "x"}}}\n'
        '{"model": "scenes", "input": {"prompt": "x"}}\n'
        "\n"
        '{"prompt": "x", "steps": 3}\n'
        "broken\n"
    )
    first, second, empty, third, broken = requests(tmp_path, source, seed=7)
    assert first["body"] == second["body"] == {"model": "scenes", "input": {"seed": 7, "prompt": "x"}}
    assert (first["custom_id"], second["custom_id"]) == ("a", "line-000002")
    assert third["body"] == {"model": "noop", "input": {"seed": 7, "prompt": "x", "steps": 3}}
    assert (empty, broken) == (b"", b"broken"), "the server says what is wrong with it, and on which line"


def test_a_table_is_read_with_the_types_of_the_models_inputs(tmp_path: Path) -> None:
    source = tmp_path / "jobs.csv"
    source.write_bytes('﻿custom_id,prompt,steps,exact\r\na,"12, ""so""",3,TRUE\r\n,x,,\r\nb,y,many,\r\n'.encode())
    first, second, third = requests(tmp_path, source)
    assert first["body"]["input"] == {"prompt": '12, "so"', "steps": 3, "exact": True}
    assert (second["custom_id"], second["body"]["input"]) == ("line-000002", {"prompt": "x"})
    assert third["body"]["input"]["steps"] == "many", "the server says that it is no number"


def test_a_results_name_stays_in_its_folder_and_is_another_for_every_custom_id() -> None:
    ids = ["a", "A.b", "a/b", "../a", "..", ".", "a+1", "a%2F", "ä" * 255, "ä" * 254 + "b", "nul\\", "a b"]
    names = [file_name(one) for one in ids]
    assert len(set(names)) == len(ids)
    assert all("/" not in name and not name.startswith(".") and len(name) < 200 for name in names)
    assert names[0] == "a"


def test_a_file_of_jobs_becomes_a_folder_of_results(stack: RunningStack, tmp_path: Path) -> None:
    source, results = tmp_path / "jobs.jsonl", tmp_path / "results"
    source.write_text("".join(f'{{"custom_id": "p/{n}", "prompt": "x", "seed": {n}}}\n' for n in range(5)))
    code, said, _ = run(stack, "run", str(source), "-o", str(results), "-m", "noop", "--json")
    batch = json.loads(said)
    assert (code, batch["status"], batch["request_counts"]["completed"], batch["files"]) == (0, "completed", 5, 5)
    assert sorted(path.name for path in results.glob("*.png")) == [f"p%2F{number}.png" for number in range(5)]
    lines = [json.loads(text) for text in (results / "results.jsonl").read_text().splitlines()]
    assert [one["custom_id"] for one in lines] == [f"p/{number}" for number in range(5)]
    assert (results / "errors.jsonl").read_text() == ""
    code, said, _ = run(stack, "run", str(source), "-o", str(results), "-m", "noop", "--json")
    assert (code, json.loads(said)["id"]) == (0, batch["id"]), "the same command again is the same batch"
    source.write_text('{"prompt": "another"}\n')
    code, _, complained = run(stack, "run", str(source), "-o", str(results), "-m", "noop")
    assert code == 1
    assert "another input" in complained


def test_lines_that_fail_are_told_and_the_command_ends_with_one(stack: RunningStack, tmp_path: Path) -> None:
    source, results = tmp_path / "jobs.csv", tmp_path / "results"
    source.write_text("custom_id,prompt,steps\ngood,x,1\nbad,x,0\n")
    code, said, complained = run(stack, "run", str(source), "-o", str(results), "-m", "noop")
    assert (code, "1 of 2 lines failed" in complained) == (1, True), said + complained
    (error,) = [json.loads(text) for text in (results / "errors.jsonl").read_text().splitlines()]
    assert error["custom_id"] == "bad"
    assert (results / "good.png").exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_command_that_is_stopped_goes_on_with_the_same_batch(stack: RunningStack, tmp_path: Path, how: int) -> None:
    source, results = tmp_path / "jobs.jsonl", tmp_path / "results"
    source.write_text("".join(f'{{"prompt": "x", "duration_s": 0.3, "seed": {n}}}\n' for n in range(6)))
    arguments = ["run", str(source), "-o", str(results), "-m", "noop", "--json"]
    stopped = start(stack, *arguments)
    wait_until(lambda: "batch_id" in _state(results), "the batch has begun")
    stopped.send_signal(how)
    _, complained = stopped.communicate(timeout=30)
    assert stopped.returncode != 0
    if how == signal.SIGINT:
        assert "goes on without us" in complained
    code, said, _ = run(stack, *arguments)
    assert (code, json.loads(said)["id"]) == (0, _state(results)["batch_id"])
    assert len(list(results.glob("*.png"))) == 6
    _, listed, _ = run(stack, "list", "--json")
    same = [one for one in json.loads(listed)["batches"] if one["input_file_id"] == json.loads(said)["input_file_id"]]
    assert len(same) == 1


def test_a_batch_is_shown_and_cancelled_by_its_id(stack: RunningStack, tmp_path: Path) -> None:
    source, results = tmp_path / "jobs.jsonl", tmp_path / "results"
    source.write_text('{"prompt": "x", "duration_s": 60, "steps": 600}\n')
    running = start(stack, "run", str(source), "-o", str(results), "-m", "noop")
    wait_until(lambda: "batch_id" in _state(results), "the batch has begun")
    batch_id = _state(results)["batch_id"]
    assert batch_id in run(stack, "show", batch_id)[1]
    assert run(stack, "cancel", batch_id)[0] == 0
    _, complained = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "cancelled" in complained
    assert run(stack, "show", "batch_unknown")[0] == 1


def _state(results: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads((results / "batch.json").read_text())
    except FileNotFoundError:
        time.sleep(0.05)
        return {}
    return state


def test_a_folder_of_pictures_is_a_batch_with_a_line_for_each(stack: RunningStack, tmp_path: Path) -> None:
    pictures, results = tmp_path / "pictures", tmp_path / "results"
    (pictures / "more").mkdir(parents=True)
    for number, name in enumerate(("cat.png", "dog.png", "dog.jpg", "more/cat.webp")):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(pictures / name)
    (pictures / "notes.txt").write_text("no picture")
    arguments = ["run", str(pictures), "-o", str(results), "-m", "noop", "-i", "prompt=x", "--json"]
    code, said, complained = run(stack, *arguments)
    assert code == 0, said + complained
    lines = [json.loads(text) for text in (results / "results.jsonl").read_text().splitlines()]
    assert [one["custom_id"] for one in lines] == ["cat", "dog.jpg", "dog.png", "more/cat"]
    inputs = [one["response"]["body"]["input"] for one in lines]
    assert len({one["media"] for one in inputs}) == 4
    back = {
        "cat.png": "cat.png",
        "dog.png": "dog.png.png",
        "dog.jpg": "dog.jpg.jpg",
        "more/cat.webp": "more%2Fcat.webp",
    }
    for name, result in back.items():
        assert (results / result).read_bytes() == (pictures / name).read_bytes(), "noop gives it back as it is"
    brought = (results / ".media.jsonl").read_text()
    (results / "batch.json").unlink()
    assert run(stack, *arguments)[0] == 0, "as a command that died before it had written down more"
    assert (results / ".media.jsonl").read_text() == brought, "no picture is brought twice"
