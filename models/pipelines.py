"""Pipelines of diffusers: loading one, calling one, and what is wrong when that fails. Imports torch: reach it only
through `models.loading`."""

import hashlib
import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin at barriers starve others, and one another
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import diffusers
import torch
import transformers.utils.logging
from diffusers.utils import logging as diffusers_logging

from jobs.errors import Interrupted, ModelFault, ModelUnavailable, OutOfMemory
from models.entry import Entry
from models.placement import choose_dtype, place

for library in (diffusers_logging, transformers.utils.logging):
    library.disable_progress_bar()

SEED_MASK = (1 << 63) - 1

Tell = Callable[[int, int, Any], None]  # step, steps, latents


def load_pipeline(entry: Entry, device: str) -> Any:
    """The entry's pipeline, on a device such as "cpu" or "cuda:0".

    Raises:
        ModelUnavailable: the weights are missing, unreadable or do not fit together.
        OutOfMemory: there is no room for it.
    """
    try:
        return _load(entry, device)
    except torch.OutOfMemoryError as fault:
        raise OutOfMemory(f"No room on {device} to load {entry.full_name}.") from fault
    except Exception as fault:  # whatever from_pretrained raises on foreign files
        raise ModelUnavailable(f"{entry.full_name} cannot be loaded: {_first_line(fault)}") from fault


@contextmanager
def faults_told() -> Iterator[None]:
    """Whatever a foreign pipeline raises is a ModelFault: an attempt must conclude."""
    try:
        yield
    except (Interrupted, ModelFault):
        raise
    except torch.OutOfMemoryError as fault:
        raise OutOfMemory(_first_line(fault)) from fault
    except RuntimeError as fault:
        if "memory" in str(fault):  # the CPU allocator's way of saying it
            raise OutOfMemory(_first_line(fault)) from fault
        raise ModelFault(_first_line(fault)) from fault
    except Exception as fault:
        raise ModelFault(f"{type(fault).__name__}: {_first_line(fault)}") from fault


def call(pipeline: Any, keywords: Mapping[str, Any], seeds: Sequence[int], tell: Tell) -> Any:
    """Run it, each row with a seeded generator of its own; `tell` hears of every step. Returns what it returns."""
    generators = [seeded(seed) for seed in seeds]
    one_or_more = generators if len(generators) > 1 else generators[0]
    with unlearning():
        return pipeline(**keywords, **_callback(pipeline, tell), generator=one_or_more)


def unlearning() -> torch.inference_mode:
    """While it is open, nothing is kept for learning."""
    return torch.inference_mode()


def seeded(seed: int) -> torch.Generator:
    """On the CPU, so that a seed means the same on every device. torch looks at the low 32 bits only: larger seeds
    are hashed down to them."""
    if seed >= 1 << 32:
        seed = int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:4], "big")
    return torch.Generator("cpu").manual_seed(seed)


def redrawing(pipeline: Any) -> Any:
    """The same parts as a pipeline that begins with a picture.

    Raises:
        ValueError: diffusers has none of this kind.
    """
    sharing = diffusers.AutoPipelineForImage2Image.from_pipe(pipeline)
    sharing.set_progress_bar_config(disable=True)
    return sharing


def takes(pipeline: Any) -> Mapping[str, inspect.Parameter]:
    """The keywords that it can be called with."""
    return inspect.signature(pipeline.__call__).parameters


def _callback(pipeline: Any, tell: Tell) -> dict[str, Any]:
    """How this pipeline tells of its steps: older ones have only the legacy callback, a few none."""

    def on_step(running: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        tell(step + 1, running.num_timesteps, tensors.get("latents"))
        return tensors

    def on_legacy_step(step: int, _timestep: Any, latents: Any) -> None:
        tell(step + 1, len(pipeline.scheduler.timesteps), latents)

    if "callback_on_step_end" in takes(pipeline):
        return {"callback_on_step_end": on_step}
    if "callback" in takes(pipeline):
        return {"callback": on_legacy_step, "callback_steps": 1}
    return {}


def _load(entry: Entry, device: str) -> Any:
    assert entry.source is not None
    folder = entry.weights_folder
    if folder is not None and not (folder / "model_index.json").is_file():
        raise ModelUnavailable(f"there is no model_index.json in {folder}")
    pipeline = _kind(entry.source.pipeline).from_pretrained(
        str(folder) if folder else entry.source.hub,
        revision=entry.source.revision,
        variant=entry.source.variant,
        use_safetensors=True,  # None would fall back to pickle
        trust_remote_code=False,
        local_files_only=folder is not None,
        dtype=choose_dtype(entry.load.dtype, device),
    )
    pipeline.set_progress_bar_config(disable=True)
    place(pipeline, entry.load, device)
    return pipeline


def _kind(name: str) -> Any:
    """A pipeline class of diffusers by its name, or one of those that choose (`AutoPipelineForImage2Image`)."""
    found = getattr(diffusers, name, None)
    if not (isinstance(found, type) and (issubclass(found, diffusers.DiffusionPipeline) or name.startswith("Auto"))):
        raise ModelUnavailable(f"diffusers has no pipeline {name}")
    return found


def _first_line(fault: BaseException) -> str:
    text = str(fault).strip() or type(fault).__name__
    return text.splitlines()[0][:500]
