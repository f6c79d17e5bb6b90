"""Whether a model will fit: what its weights need, by the headers of its files, and what a device has left.
Estimates: they decide who makes room, never who is refused."""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from models.entry import Entry

_WORK_SPACE = 1.2  # the weights, and something to work with; what a batch takes is learnt from batches
_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
_INDEX_MOST = 100_000_000  # bytes; safetensors' own limit


def needed_bytes(entry: Entry, dtype: str) -> int:
    """On the device, for the weights in that number format ("float16", …). 0: nobody knows, such as before the
    download of a hub model. With offloading only what lies on the device at a time counts."""
    folder = _weights(entry)
    if folder is None or entry.load.offload in ("group", "sequential"):
        return 0
    parts = [_numbers(part, entry) for part in folder.iterdir() if part.is_dir()] or [0]
    numbers = max(parts) if entry.load.offload == "model" else sum(parts)
    return int(numbers * _BYTES[dtype] * _WORK_SPACE)


def free_bytes(device: str) -> int | None:
    """What a model could still take of the device's memory; None: nobody knows. On a CPU it is the machine's,
    whatever a container may be allowed."""
    if device.startswith("cuda"):
        cuda = sys.modules["torch"].cuda
        kept = cuda.memory_reserved(device) - cuda.memory_allocated(device)  # by torch, for its next tensors
        return int(cuda.mem_get_info(device)[0] + kept)
    return int(psutil.virtual_memory().available) if device == "cpu" else None


def _weights(entry: Entry) -> Path | None:
    if entry.source is None:
        return None
    if entry.weights_folder is not None:
        return entry.weights_folder if entry.weights_folder.is_dir() else None
    from huggingface_hub import try_to_load_from_cache

    index = try_to_load_from_cache(entry.source.hub or "", "model_index.json", revision=entry.source.revision)
    return Path(index).parent if isinstance(index, str) else None


def _numbers(part: Path, entry: Entry) -> int:
    """How many numbers the weights of one part of a pipeline are: those of the variant, where it has that."""
    files = list(part.glob("*.safetensors"))
    variant = entry.source.variant if entry.source else None
    chosen = [file for file in files if variant and f".{variant}" in file.name]
    plain = [file for file in files if file.name.count(".") == 1]
    return sum(math.prod(shape) for file in chosen or plain for shape in _shapes(file))


def _shapes(file: Path) -> Iterator[list[int]]:
    """Of every tensor in a file. None of a damaged one: loading will say what is wrong with it."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length)) if length <= _INDEX_MOST else {}
        yield from (tensor["shape"] for name, tensor in header.items() if name != "__metadata__")
    except (OSError, ValueError, TypeError, KeyError):
        return
