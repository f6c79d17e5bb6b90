"""Models that are loaded, and run once, before the first job: those that the settings name, and those whose TOML
says so. A fault is told and forgotten; the worker works."""

import logging
import time
from collections.abc import Sequence

from jobs.errors import ModelFault, ModelNotFound, SafelightError
from models.entry import Entry
from models.runner import Runner, Unwatched
from models.samples import fewest_steps, sample_request
from workers.attempts.attempt import load
from workers.attempts.bench import Bench

log = logging.getLogger(__name__)


def choose(bench: Bench, names: Sequence[str], queues: Sequence[str], most: int) -> list[Entry]:
    """The named ones first, then those that ask for it and whose jobs come here; no more than fit at a time."""
    chosen: dict[str, Entry] = {}
    for name in names:
        try:
            entry = bench.catalog.find(name)
            chosen[entry.full_name] = entry
        except ModelNotFound as fault:
            log.warning("not preloaded: %s", fault)
    chosen |= {entry.full_name: entry for entry in bench.catalog if entry.preload and entry.queue in queues}
    for name in list(chosen)[most:]:
        log.warning("%s is not preloaded: this worker keeps %d model(s) (SAFELIGHT_LOADED_MODELS)", name, most)
    return list(chosen.values())[:most]


def preload(bench: Bench, entries: Sequence[Entry]) -> None:
    """Load each and let it take a step, at every size its batches will have: whatever is set up or compiled on the
    first run is then ready."""
    for entry in entries:
        started = time.monotonic()
        try:
            runner, _ = load(bench, entry)
            _warm_up(entry, runner)
        except SafelightError as fault:
            log.warning("%s is not preloaded: %s", entry.full_name, fault)
        except Exception:  # a worker that cannot preload still works
            log.exception("%s is not preloaded", entry.full_name)
        else:
            log.info("%s is warm after %.1f s", entry.full_name, time.monotonic() - started)


def _warm_up(entry: Entry, runner: Runner) -> None:
    request = sample_request(entry, steps=fewest_steps(entry))
    for rows in entry.batch.sizes or (1,):
        for result in runner.generate([request], Unwatched(), rows):
            if isinstance(result, ModelFault):
                raise result
