"""Who makes room for a model that is about to be loaded, and what is loaded before the first job."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Settings
from models.admission import free_bytes, needed_bytes
from models.loading import LoadedModels
from models.samples import sample_request
from storage.engine import Database
from storage.migrations import upgrade
from tests.pipelines import tiny
from tests.servers import running_broker, wait_until
from tests.stacks import running_stack
from workers.attempts.preloading import choose, preload
from workers.process import Worker


def test_the_estimate_is_that_of_the_weights_in_their_number_format(tmp_path: Path) -> None:
    entry = tiny(tmp_path)
    stored = sum(file.stat().st_size for file in (tmp_path / "weights").rglob("*.safetensors"))
    single, half = needed_bytes(entry, "float32"), needed_bytes(entry, "float16")
    assert single == pytest.approx(2 * half, rel=0.01)
    assert 0.9 * stored <= single <= 3 * stored, "they are stored in 16 or 32 bits"


def test_with_offloading_less_is_needed_and_of_what_is_not_here_nobody_knows(tmp_path: Path) -> None:
    whole = needed_bytes(tiny(tmp_path), "float32")
    assert 0 < needed_bytes(tiny(tmp_path, load={"offload": "model"}), "float32") < whole
    assert needed_bytes(tiny(tmp_path, load={"offload": "sequential"}), "float32") == 0
    assert needed_bytes(tiny(tmp_path).placed(tmp_path / "elsewhere" / "shelf"), "float32") == 0


def test_damaged_weights_need_nothing_until_loading_says_what_is_wrong(tmp_path: Path) -> None:
    entry = tiny(tmp_path)
    for file in (tmp_path / "weights").rglob("*.safetensors"):
        file.write_bytes(b"\xff" * 100)
    assert needed_bytes(entry, "float32") == 0


def test_a_cpu_has_the_machines_memory() -> None:
    assert (free_bytes("cpu") or 0) > 0
    assert free_bytes("mps") is None


def test_the_least_recently_used_models_go_until_the_next_should_fit(tmp_path: Path) -> None:
    names = ["first", "second", "third", "fourth"]
    entries = [tiny(tmp_path, name) for name in names]
    needed = needed_bytes(entries[0], "float32")
    room = {"bytes": 10 * needed}
    models = LoadedModels("cpu", most=9, free=lambda _: room["bytes"] - needed * len(models.names))
    for entry in entries[:3]:
        models.take(entry)
    models.take(entries[0])
    room["bytes"] = 3 * needed
    models.take(entries[3])
    assert models.names == ["third@1", "first@1", "fourth@1"]


def test_what_never_fits_by_the_estimate_is_tried_all_the_same(tmp_path: Path) -> None:
    models = LoadedModels("cpu", most=9, free=lambda _: 0)
    models.take(tiny(tmp_path, "first"))
    models.take(tiny(tmp_path, "second"))
    assert models.names == ["second@1"]


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with running_broker("valkey", tmp_path) as broker:
        settings = Settings(data_dir=tmp_path, broker_url=broker.url, diagnostics=True, circuit_failures=1)
        upgrade(Database(settings.database))
        yield Worker(settings, [], "worker", None)


def test_models_are_preloaded_by_name_or_by_their_toml_and_no_more_than_are_kept(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = worker.catalog
    catalog._versions["scenes"]["1"] = catalog.find("scenes").model_copy(update={"preload": True})
    chosen = choose(worker.bench, ["noop", "missing"], ["default"], 2)
    assert [entry.name for entry in chosen] == ["noop", "scenes"]
    assert [entry.name for entry in choose(worker.bench, ["noop"], ["elsewhere"], 2)] == ["noop"]
    assert [entry.name for entry in choose(worker.bench, ["noop"], ["default"], 1)] == ["noop"]
    assert "no model 'missing'" in caplog.text
    assert "scenes@1 is not preloaded: this worker keeps 1 model(s)" in caplog.text


def test_a_preloaded_model_was_run_at_each_of_its_sizes(
    worker: Worker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    preload(worker.bench, [tiny(tmp_path, batch={"sizes": (1, 2)})])
    assert worker.models.names == ["tiny@1"]
    assert "tiny@1 is warm after" in caplog.text


def test_what_cannot_be_preloaded_opens_the_circuit_and_the_others_are_loaded(worker: Worker, tmp_path: Path) -> None:
    gone = tiny(tmp_path, "gone").placed(tmp_path / "elsewhere" / "shelf")
    preload(worker.bench, [gone, worker.catalog.find("noop")])
    assert worker.models.names == ["noop@1"]
    circuits = worker.bench.circuits.all()
    assert circuits["gone@1"].state == "open"
    assert "cannot be loaded" in circuits["gone@1"].reason


@pytest.mark.slow
def test_a_worker_is_warm_before_its_first_job_and_serves_it(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data", SAFELIGHT_PRELOAD="missing, noop") as stack:
        wait_until(lambda: stack.http.get("/v1/models/noop").json()["warm"], "noop is warm")
        job = stack.finished(stack.submit()["id"])
        assert (job["status"], job["timings"]["load_s"]) == ("succeeded", 0.0)


def test_a_sample_is_made_of_the_models_own_examples(worker: Worker) -> None:
    sample = sample_request(worker.catalog.find("scenes"), 3, steps=2, unknown=1)
    assert sample.input["prompt"].startswith("a red sun")
    assert (sample.seed, sample.input["steps"], sample.input["width"]) == (3, 2, 256)
    assert "unknown" not in sample.input
