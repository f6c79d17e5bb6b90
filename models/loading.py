"""From a catalog entry to a runner in memory. The only way to torch, and torch only when it is needed."""

import gc
import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from jobs.errors import OutOfMemory
from models.admission import free_bytes, needed_bytes
from models.context import run_context
from models.entry import PIPELINES, Entry
from models.runner import Runner

log = logging.getLogger(__name__)

Free = Callable[[str], int | None]  # the device -> its free bytes


class LoadedModels:
    """The runners a worker keeps. Of the pipelines the least recently used one makes room, for number and for memory;
    what needs no torch is small, and stays. Owned by one thread."""

    def __init__(
        self,
        device: str,
        device_index: int | None = None,
        most: int = 1,
        torch_threads: int = 0,
        free: Free = free_bytes,
    ) -> None:
        self._device = device
        self._device_index = device_index
        self._most = most
        self._torch_threads = torch_threads
        self._free = free
        self._runners: OrderedDict[str, Runner] = OrderedDict()  # of pipelines
        self._light: dict[str, Runner] = {}

    @property
    def names(self) -> list[str]:
        return [*self._runners, *self._light]

    @property
    def device(self) -> str:
        """The one that "auto" means here. Imports torch."""
        from models.diffusion import resolve_device

        return resolve_device(self._device, self._device_index)

    def take(self, entry: Entry) -> tuple[Runner, float]:
        """The runner for an entry, and the seconds it took to load it (0.0 when it was there).

        Raises:
            ModelUnavailable, OutOfMemory: it cannot be loaded here.
        """
        if light := self._light.get(entry.full_name):
            return light, 0.0
        known = self._runners.get(entry.full_name)
        if known is not None:
            self._runners.move_to_end(entry.full_name)
            return known, 0.0
        started = time.monotonic()
        if entry.runner not in PIPELINES:
            runner = self._light[entry.full_name] = _load_light(entry)
            return runner, time.monotonic() - started
        while len(self._runners) >= self._most:
            self._evict()
        self._runners[entry.full_name] = runner = self._load_with_room(entry)
        return runner, time.monotonic() - started

    def context(self, entry: Entry, rows: int) -> dict[str, Any]:
        """In what circumstances a run of `rows` rows of this entry was made here, just now."""
        return run_context(entry, rows, self.device if entry.runner in PIPELINES else "cpu")

    def keep_only(self, entry: Entry) -> bool:
        """Let every other model go; False when there was none."""
        others = [name for name in self._runners if name != entry.full_name]
        for name in others:
            self._runners.move_to_end(name, last=False)
            self._evict()
        return bool(others)

    def _evict(self) -> None:
        self._runners.popitem(last=False)
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _load_with_room(self, entry: Entry) -> Runner:
        """An estimate may be wrong: when the memory does not suffice after all, every other model goes."""
        self._make_room(entry)
        try:
            return self._load(entry)
        except OutOfMemory:
            if not self._runners:
                raise
        while self._runners:
            self._evict()
        return self._load(entry)

    def _make_room(self, entry: Entry) -> None:
        from models.diffusion import choose_dtype

        device = self.device
        needed = needed_bytes(entry, str(choose_dtype(entry.load.dtype, device)).removeprefix("torch."))
        while self._runners and (free := self._free(device)) is not None and free < needed:
            oldest = next(iter(self._runners))
            log.warning("%s makes room for %s: %d of %d bytes are free", oldest, entry.full_name, free, needed)
            self._evict()

    def _load(self, entry: Entry) -> Runner:
        from models.diffusion import DiffusersRunner, limit_threads

        limit_threads(self._torch_threads)
        if entry.runner == "walk":
            from models.walk import Walk

            return Walk(entry, self.device)
        return DiffusersRunner(entry, self.device)


def _load_light(entry: Entry) -> Runner:
    """A runner that needs no torch."""
    if entry.runner == "upscale":
        from models.upscale import Upscale

        return Upscale(entry)
    if entry.runner == "speech":
        from models.speech import Speech

        return Speech(entry)
    from models.noop import Noop

    return Noop()
