"""The diagnostic model: no torch, no picture worth looking at, every fault on demand. It runs through every
real part of the house, so load and fault tests need no fakes."""

import io
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from jobs.errors import ModelFault, OutOfMemory
from models.runner import Media, Request, Result, Watch

_SLICE_S = 0.05
_SIDE = 8


class DiagnosticFault(ModelFault):
    """The diagnostic model failed because its input asked for it."""


class Noop:
    """Holds its worker for `duration_s` seconds in `steps` equal steps, then paints a square of the seed, or
    gives its media input back as it is."""

    def generate(self, requests: Sequence[Request], watch: Watch, rows: int = 0) -> list[Result]:
        for request in requests:
            if _asks_to_fail(request):
                _fail_whole_batch(request.input)
        duration_s = max(float(request.input["duration_s"]) for request in requests)
        steps = max(int(request.input["steps"]) for request in requests)
        started = time.monotonic()
        for step in range(1, steps + 1):
            _hold(started + duration_s * step / steps, watch)
            watch.step(step, steps)
        return [_result(request) for request in requests]


def _hold(until: float, watch: Watch) -> None:
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _SLICE_S))
        watch.pulse()


def _asks_to_fail(request: Request) -> bool:
    times = request.input.get("fail_times")
    return request.input.get("fail") is not None and (times is None or request.attempt <= int(times))


def _fail_whole_batch(wanted: Mapping[str, Any]) -> None:
    if wanted["fail"] == "oom":
        raise OutOfMemory
    if wanted["fail"] == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if wanted["fail"] == "hang":
        threading.Event().wait()


def _result(request: Request) -> Result:
    if _asks_to_fail(request):
        return DiagnosticFault()
    return [Media(one.path.read_bytes(), one.media_type) for one in request.media.values()] or [_square(request.seed)]


def _square(seed: int) -> Media:
    tiles = b"".join((seed >> shift & 0xFFFFFF).to_bytes(3, "big") for shift in (0, 16, 32, 40))
    image = Image.frombytes("RGB", (2, 2), tiles).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
    data = io.BytesIO()
    image.save(data, "PNG")
    return Media(data.getvalue(), "image/png", _SIDE, _SIDE, seed=seed)
