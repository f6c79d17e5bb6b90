"""In what circumstances a result was made: what beside the input may move a bit. With them a job can be run again to
the same bytes. Torch is not imported for it: who has not loaded it was not computed by it."""

import platform
import sys
from functools import lru_cache
from importlib import metadata
from typing import Any

from models.entry import PIPELINES, Entry
from models.fingerprint import weights_of

_LIBRARIES = {
    "diffusers": ("torch", "diffusers", "transformers", "pillow"),
    "walk": ("torch", "diffusers", "transformers", "pillow", "av"),
    "upscale": ("pillow",),
    "speech": ("hibari-tts", "onnxruntime", "numpy"),
    "noop": ("pillow",),
}


def run_context(entry: Entry, rows: int, device: str = "cpu") -> dict[str, Any]:
    """Of a run of `rows` rows just done in this process, ready for JSON."""
    torch = sys.modules.get("torch") if entry.runner in PIPELINES else None
    return {
        "model": entry.name,
        "version": entry.version,
        "weights": weights_of(entry),
        "rows": rows,
        "device": device if torch else "cpu",
        "dtype": entry.load.dtype,
        "threads": torch.get_num_threads() if torch else 1,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "libraries": dict(_versions(entry.runner)),
    }


@lru_cache
def _versions(runner: str) -> tuple[tuple[str, str], ...]:
    """Looked up once: after each batch it would cost more than some batches."""
    return tuple((name, metadata.version(name)) for name in _LIBRARIES[runner])
