"""The diagnostic model: a small picture of its seed, time as asked for, and every fault on demand."""

import io
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from jobs.errors import Interrupted, ModelFault, OutOfMemory
from models.catalog import read_catalog
from models.loading import LoadedModels
from models.noop import DiagnosticFault, Noop
from models.runner import NO_PREVIEWS, Media, Previews, Request

REPOSITORY = Path(__file__).parent.parent


class Watching:
    """Notes each step; says that nobody waits any more after the given one."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.steps: list[tuple[int, int]] = []
        self.pulses = 0
        self._stop_after = stop_after

    def viewers(self) -> tuple[int, ...]:
        return ()

    def step(self, step: int, steps: int, previews: Previews = NO_PREVIEWS) -> None:
        self.steps.append((step, steps))
        if step == self._stop_after:
            raise Interrupted

    def pulse(self) -> None:
        self.pulses += 1
        if self._stop_after == 0:
            raise Interrupted


def request(seed: int = 7, attempt: int = 1, **given: Any) -> Request:
    entry = read_catalog(diagnostics=True).find("noop")
    entry.validate_input({"prompt": "a test", **given})
    return Request(entry.resolve({"prompt": "a test", **given}), seed, attempt)


def generate(*requests: Request, watch: Watching | None = None) -> list[Any]:
    return list(Noop().generate(requests, watch or Watching()))


def pixels(media: Media) -> bytes:
    return Image.open(io.BytesIO(media.data)).convert("RGB").tobytes()


def test_it_makes_one_small_png_for_each_request() -> None:
    (media,), (other,) = generate(request(seed=1), request(seed=2))
    assert (media.media_type, media.width, media.height, media.seed) == ("image/png", 8, 8, 1)
    with Image.open(io.BytesIO(media.data)) as image:
        assert (image.format, image.size) == ("PNG", (8, 8))
    assert other.seed == 2


def test_the_same_seed_gives_the_same_bytes_and_every_other_seed_others() -> None:
    seeds = [0, 1, 2, 1 << 16, 1 << 24, 1 << 31, 1 << 32, 1 << 47, 1 << 48, 1 << 62, (1 << 63) - 1]
    pictures = [generate(request(seed=seed))[0][0].data for seed in seeds]
    assert len(set(pictures)) == len(seeds)
    assert [generate(request(seed=seed))[0][0].data for seed in seeds] == pictures


def test_it_reports_every_step_of_those_asked_for() -> None:
    watch = Watching()
    generate(request(steps=5), watch=watch)
    assert watch.steps == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_it_holds_its_worker_for_as_long_as_asked_and_shows_life_meanwhile() -> None:
    watch = Watching()
    started = time.monotonic()
    generate(request(duration_s=0.5, steps=2), watch=watch)
    assert time.monotonic() - started >= 0.5
    assert watch.pulses >= 2


@pytest.mark.parametrize("stop_after", [0, 2])
def test_it_stops_within_a_step_or_after_one_when_nobody_waits_any_more(stop_after: int) -> None:
    watch = Watching(stop_after)
    with pytest.raises(Interrupted):
        generate(request(duration_s=3600 if stop_after == 0 else 0, steps=9), watch=watch)
    assert len(watch.steps) == stop_after


def test_it_fails_as_asked_in_every_attempt_and_leaves_its_neighbours_alone() -> None:
    for attempt in (1, 2, 50):
        failed, fine = generate(request(fail="error", attempt=attempt), request())
        assert type(failed) is DiagnosticFault
        assert failed.retryable
        assert fine[0].seed == 7


def test_out_of_memory_is_a_fault_of_the_whole_batch() -> None:
    with pytest.raises(OutOfMemory):
        generate(request(fail="oom"), request())


def test_it_fails_as_often_as_asked_and_then_succeeds() -> None:
    results = [generate(request(fail="error", fail_times=2, attempt=attempt))[0] for attempt in (1, 2, 3)]
    assert [isinstance(result, ModelFault) for result in results] == [True, True, False]
    assert not isinstance(generate(request(fail="error", fail_times=0))[0], ModelFault)


PROGRAM = """
import sys
from models.noop import Noop
from models.runner import Request
from tests.test_noop import Watching
given = {"duration_s": 0, "steps": 1, "fail": sys.argv[1]}
print("started", flush=True)
Noop().generate([Request(given, 7, 1)], Watching())
"""


def fatal(fail: str) -> subprocess.Popen[str]:
    """A process of its own in which the model has been asked to take it down."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, fail],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    process.stdout.close()
    return process


def test_a_crash_takes_the_process_down_at_once() -> None:
    assert fatal("crash").wait(60) == -9


def test_a_hang_never_ends_and_shows_no_life() -> None:
    process = fatal("hang")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)
    process.kill()
    process.wait()


def test_it_is_loaded_once_and_kept() -> None:
    models = LoadedModels("cpu")
    entry = read_catalog(diagnostics=True).find("noop")
    runner, _ = models.take(entry)
    assert isinstance(runner, Noop)
    assert models.take(entry) == (runner, 0.0)
    assert models.names == ["noop@1"]
