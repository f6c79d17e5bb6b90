"""From a catalog entry to a runner in memory. The only way to torch, and torch only when it is needed."""

import gc
import sys
import time
from collections import OrderedDict

from models.entry import Entry
from models.runner import Runner


class LoadedModels:
    """The runners a worker keeps: the least recently used one makes room. Owned by one thread."""

    def __init__(self, device: str, device_index: int | None = None, most: int = 1, torch_threads: int = 0) -> None:
        self._device = device
        self._device_index = device_index
        self._most = most
        self._torch_threads = torch_threads
        self._runners: OrderedDict[str, Runner] = OrderedDict()

    @property
    def names(self) -> list[str]:
        return list(self._runners)

    def take(self, entry: Entry) -> tuple[Runner, float]:
        """The runner for an entry, and the seconds it took to load it (0.0 when it was there).

        Raises:
            ModelUnavailable, OutOfMemory: it cannot be loaded here.
        """
        known = self._runners.get(entry.full_name)
        if known is not None:
            self._runners.move_to_end(entry.full_name)
            return known, 0.0
        started = time.monotonic()
        while len(self._runners) >= self._most:
            self._evict()
        self._runners[entry.full_name] = runner = self._load(entry)
        return runner, time.monotonic() - started

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

    def _load(self, entry: Entry) -> Runner:
        if entry.runner == "noop":
            from models.noop import Noop

            return Noop()
        import torch

        from models.diffusion import DiffusersRunner, resolve_device

        if self._torch_threads:
            torch.set_num_threads(self._torch_threads)
        return DiffusersRunner(entry, resolve_device(self._device, self._device_index))
