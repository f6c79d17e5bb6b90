"""Pictures a second by batch size, in the runner that workers use: the ground of `scenes`' batch rule."""

import statistics
import time

from models.catalog import read_catalog
from models.loading import LoadedModels
from models.runner import NO_PREVIEWS, Previews, Request

_ROUNDS = 3
_BATCHES = (1, 2, 4, 8)
_PROMPT = "a red sun over purple mountains by the sea at dusk"


class _Unwatched:
    """Nobody waits for progress here."""

    def viewers(self) -> tuple[int, ...]:
        return ()

    def step(self, step: int, steps: int, previews: Previews = NO_PREVIEWS) -> None:
        return None

    def pulse(self) -> None:
        return None


def run() -> None:
    """Print the median over interleaved rounds."""
    entry = read_catalog().find("scenes")
    runner, _ = LoadedModels("cpu").take(entry)
    resolved = entry.resolve({"prompt": _PROMPT})
    runner.generate([Request(resolved, 0, 1)], _Unwatched())
    took: dict[int, list[float]] = {batch: [] for batch in _BATCHES}
    for _ in range(_ROUNDS):
        for batch in _BATCHES:
            started = time.perf_counter()
            runner.generate([Request(resolved, seed, 1) for seed in range(batch)], _Unwatched())
            took[batch].append((time.perf_counter() - started) / batch)
    alone = statistics.median(took[1])
    for batch in _BATCHES:
        each = statistics.median(took[batch])
        gain = f"{alone / each:4.2f} × alone"
        print(f"  batch {batch}: {each:6.3f} s a picture, {gain} ({resolved['steps']} steps, CPU)")
