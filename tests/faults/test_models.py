"""Models that cannot be loaded: they wait behind their circuit, and everything else runs."""

import shutil
from pathlib import Path

import pytest

from tests.faults.stacks import SHELF
from tests.servers import wait_until
from tests.stacks import RunningStack, running_stack

pytestmark = pytest.mark.slow


def add_model(catalog: Path, name: str) -> Path:
    """`scenes` under another name, its weights in a folder of that name."""
    text = (SHELF / "scenes.toml").read_text()
    text = text.replace('name = "scenes"', f'name = "{name}"').replace("../weights/scenes", name)
    (catalog / f"{name}.toml").write_text(text)
    return catalog / name


def circuit(stack: RunningStack, name: str) -> str:
    state: str = stack.http.get(f"/v1/models/{name}").json()["circuit"]
    return state


def test_a_missing_folder_corrupt_weights_and_an_unreadable_toml_break_their_model_and_nothing_else(
    tmp_path: Path,
) -> None:
    catalog = tmp_path / "catalog"
    catalog.mkdir()
    moved, damaged = add_model(catalog, "moved"), add_model(catalog, "damaged")
    shutil.copytree(SHELF.parent / "weights" / "scenes", damaged)
    (damaged / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"not what it was")
    (catalog / "unreadable.toml").write_text("name = ")
    settings = {
        "SAFELIGHT_MODELS": str(catalog),
        "SAFELIGHT_CIRCUIT_FAILURES": "2",
        "SAFELIGHT_CIRCUIT_OPEN_S": "2",
        "SAFELIGHT_MAX_ATTEMPTS": "20",
    }
    with running_stack(tmp_path / "data", **settings) as stack:
        waiting = [stack.submit(name, steps=1)["id"] for name in ("moved", "damaged")]
        for name, reason in (("moved", "model_index.json"), ("damaged", "safetensors")):
            wait_until(lambda name=name: circuit(stack, name) == "open", f"the circuit of {name} opens")
            assert reason in stack.http.get(f"/v1/models/{name}").json()["fault"]
        assert stack.finished(stack.submit()["id"])["status"] == "succeeded"
        broken = stack.http.get("/v1/models").json()["broken"]
        assert [one["file"] for one in broken] == ["unreadable.toml"]
        for folder in (moved, damaged):
            shutil.copytree(SHELF.parent / "weights" / "scenes", folder, dirs_exist_ok=True)
        assert {stack.finished(job_id, 120)["status"] for job_id in waiting} == {"succeeded"}
        for name in ("moved", "damaged"):
            wait_until(lambda name=name: circuit(stack, name) == "closed", f"a probe closed the circuit of {name}")
