"""How fast a model is by batch size and steps, and what memory it takes: the measure behind `[batch] max`."""

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import psutil

from jobs.errors import ModelFault, OutOfMemory
from models.entry import Entry
from models.runner import Runner, Unwatched
from models.samples import sample_request

_SAMPLE_S = 0.01
_WORTH = 0.97  # of the seconds per output: a batch that wins less is not worth its longer wait
LARGEST = 1024

Clock = Literal["wall", "cpu"]


@dataclass(frozen=True, slots=True)
class Measure:
    """Of one batch size at one number of steps: seconds for one output, the quickest of all rounds."""

    size: int
    steps: int
    wall_s: float
    cpu_s: float
    peak_bytes: int  # of the device while it ran; on a CPU of the process, all it has loaded included

    def seconds(self, clock: Clock) -> float:
        return self.wall_s if clock == "wall" else self.cpu_s


@dataclass(frozen=True, slots=True)
class Report:
    """All measures in order; `best` is the size worth its wait, `too_large` the one that ran out of memory."""

    measures: Sequence[Measure]
    best: int
    too_large: int | None


def measure(
    entry: Entry,
    runner: Runner,
    device: str,
    *,
    steps: Sequence[int],
    sizes: Sequence[int] = (),
    rounds: int = 3,
    clock: Clock = "wall",
) -> Report:
    """Measure the sizes; without any, 1, 2, 4, … for as long as it gets better, and fits, at the first of `steps`.

    Raises:
        OutOfMemory: not even one output fits.
        ModelFault, InvalidInput: it cannot draw that.
    """
    measures: list[Measure] = []
    too_large = None
    for size in sizes or _doubling(measures, clock):
        try:
            measures += [_measure(entry, runner, device, size, count, rounds) for count in steps]
        except OutOfMemory:
            too_large = size
            break
    if not measures:
        raise OutOfMemory(f"Not even {too_large} output(s) of {entry.full_name} fit.")
    first = [one for one in measures if one.steps == steps[0]]
    return Report(measures, find_best(first, clock), too_large)


def find_best(measures: Sequence[Measure], clock: Clock) -> int:
    """The smallest size that is about as good as the best: its jobs wait least."""
    least = min(one.seconds(clock) for one in measures)
    return min(one.size for one in measures if one.seconds(clock) * _WORTH <= least)


def _doubling(measures: Sequence[Measure], clock: Clock) -> Iterator[int]:
    """The next size is asked for once the last one was measured. One that is no better may be an accident of a
    busy machine; two end it."""
    size = 1
    while size <= LARGEST:
        yield size
        seconds = {one.size: one.seconds(clock) for one in reversed(measures)}
        if size >= 4 and min(seconds[size], seconds[size // 2]) > seconds[size // 4] * _WORTH:
            return
        size *= 2


def _measure(entry: Entry, runner: Runner, device: str, size: int, steps: int, rounds: int) -> Measure:
    requests = [sample_request(entry, seed, steps=steps) for seed in range(size)]
    walls, cpus, peak = [], [], 0
    for lap in range(rounds + 1):  # the first sets up what the others use
        with _Memory(device) as memory:
            wall, cpu = time.perf_counter(), time.process_time()
            results = runner.generate(requests, Unwatched(), entry.batch.padded(size))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        for result in results:
            if isinstance(result, ModelFault):
                raise result
        peak = max(peak, memory.peak)
        if lap:
            walls.append(wall / size)
            cpus.append(cpu / size)
    return Measure(size, steps, min(walls), min(cpus), peak)


class _Memory:
    """The peak while it is open: of CUDA by its own count, else of this process, sampled."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._over = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self.peak = 0

    def __enter__(self) -> Self:
        if self._device.startswith("cuda"):
            _cuda().reset_peak_memory_stats(self._device)
        else:
            self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._device.startswith("cuda"):
            self.peak = int(_cuda().max_memory_allocated(self._device))
        else:
            self._over.set()
            self._sampler.join()

    def _sample(self) -> None:
        process = psutil.Process()
        while True:
            self.peak = max(self.peak, process.memory_info().rss)
            if self._over.wait(_SAMPLE_S):
                return


def _cuda() -> Any:
    return sys.modules["torch"].cuda
