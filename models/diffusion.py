"""Diffusers pipelines: loading one, and running a batch of jobs through it. Imports torch: reach it only
through `models.loading`."""

import hashlib
import inspect
import io
import os
from collections.abc import Mapping, Sequence
from typing import Any

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin at barriers starve others, and one another
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
import transformers.utils.logging
from diffusers import DiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from PIL.Image import Image

from jobs.errors import Interrupted, ModelFault, ModelUnavailable, OutOfMemory
from models.entry import PER_ROW, Entry
from models.placement import choose_dtype, limit_threads, place, resolve_device
from models.previews import Painter, Sketches
from models.runner import NO_PREVIEWS, Media, Request, Result, Watch

__all__ = ["DiffusersRunner", "choose_dtype", "limit_threads", "resolve_device"]

for library in (diffusers_logging, transformers.utils.logging):
    library.disable_progress_bar()

_OURS = {"seed", "count", "exact"}  # inputs that Safelight answers itself; the pipeline never sees them
_SEED_MASK = (1 << 63) - 1


class DiffusersRunner:
    """A text-to-image pipeline of diffusers in memory."""

    def __init__(self, entry: Entry, device: str) -> None:
        """Put the entry's pipeline on a device such as "cpu" or "cuda:0".

        Raises:
            ModelUnavailable: the weights are missing, unreadable or do not fit together.
        """
        self._entry = entry
        self._device = device
        try:
            self._pipeline = self._load()
            self._painter = Painter(entry, self._pipeline, device)
        except torch.OutOfMemoryError as fault:
            raise OutOfMemory(f"No room on {self._device} to load {entry.full_name}.") from fault
        except Exception as fault:  # whatever from_pretrained raises on foreign files
            raise ModelUnavailable(f"{entry.full_name} cannot be loaded: {_first_line(fault)}") from fault

    def generate(self, requests: Sequence[Request], watch: Watch, rows: int = 0) -> list[Result]:
        """See `Runner.generate`. A request for n pictures takes n rows of the batch, seeds counting up."""
        wanted = [(request, offset) for request in requests for offset in range(_count(request))]
        seeds = [(request.seed + offset) & _SEED_MASK for request, offset in wanted]
        idle = [(requests[-1], 0)] * (rows - len(wanted))
        try:
            images = self._run(wanted + idle, seeds + [0] * len(idle), watch)[: len(wanted)]
        except Interrupted:
            raise
        except torch.OutOfMemoryError as fault:
            raise OutOfMemory(_first_line(fault)) from fault
        except RuntimeError as fault:
            if "memory" in str(fault):  # the CPU allocator's way of saying it
                raise OutOfMemory(_first_line(fault)) from fault
            raise ModelFault(_first_line(fault)) from fault
        except Exception as fault:  # an attempt must conclude, whatever a foreign pipeline raises
            raise ModelFault(f"{type(fault).__name__}: {_first_line(fault)}") from fault
        media = iter([_encode(image, seed) for image, seed in zip(images, seeds, strict=True)])
        return [[next(media) for _ in range(_count(request))] for request in requests]

    def _run(self, rows: Sequence[tuple[Request, int]], seeds: Sequence[int], watch: Watch) -> list[Image]:
        first_rows = [row for row, (_, offset) in enumerate(rows) if offset == 0]
        sketches = Sketches(self._painter, self._pipeline.scheduler, first_rows)
        generators = [torch.Generator("cpu").manual_seed(_folded(seed)) for seed in seeds]
        with torch.inference_mode():
            output = self._pipeline(
                **self._keywords([request for request, _ in rows]),
                **self._callback(watch, sketches),
                generator=generators if len(generators) > 1 else generators[0],
                output_type="pil",
            )
        images: list[Image] = output.images
        return images

    def _callback(self, watch: Watch, sketches: Sketches) -> dict[str, Any]:
        """How this pipeline tells of its steps: older ones have only the legacy callback. The last step has no
        preview: the picture itself comes next."""

        def tell(step: int, steps: int, latents: Any) -> None:
            previews = sketches.after_step(latents, watch.viewers()) if step < steps else NO_PREVIEWS
            watch.step(step, steps, previews)

        def on_step(pipeline: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            tell(step + 1, pipeline.num_timesteps, tensors.get("latents"))
            return tensors

        def on_legacy_step(step: int, _timestep: Any, latents: Any) -> None:
            tell(step + 1, len(self._pipeline.scheduler.timesteps), latents)

        if "callback_on_step_end" in inspect.signature(self._pipeline.__call__).parameters:
            return {"callback_on_step_end": on_step}
        return {"callback": on_legacy_step, "callback_steps": 1}

    def _keywords(self, rows: Sequence[Request]) -> dict[str, Any]:
        """What the batch shares comes from its first row: the batch key made sure that they agree."""
        shared: Mapping[str, Any] = rows[0].input
        keywords: dict[str, Any] = {}
        for name, value in shared.items():
            if name in _OURS:
                continue
            keyword = self._entry.call.get(name, name)
            keywords[keyword] = [row.input[name] for row in rows] if name in PER_ROW else value
        return keywords

    def _load(self) -> Any:
        entry = self._entry
        assert entry.source is not None
        folder = entry.weights_folder
        if folder is not None and not (folder / "model_index.json").is_file():
            raise ModelUnavailable(f"there is no model_index.json in {folder}")
        pipeline = DiffusionPipeline.from_pretrained(
            str(folder) if folder else entry.source.hub,
            revision=entry.source.revision,
            variant=entry.source.variant,
            use_safetensors=True,  # None would fall back to pickle
            trust_remote_code=False,
            local_files_only=folder is not None,
            dtype=choose_dtype(entry.load.dtype, self._device),
        )
        pipeline.set_progress_bar_config(disable=True)
        place(pipeline, entry.load, self._device)
        return pipeline


def _encode(image: Image, seed: int) -> Media:
    data = io.BytesIO()
    image.save(data, "PNG")
    return Media(data.getvalue(), "image/png", image.width, image.height, seed=seed)


def _folded(seed: int) -> int:
    """torch's CPU generator looks at the low 32 bits only: larger seeds are hashed down to them."""
    if seed < 1 << 32:
        return seed
    return int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:4], "big")


def _count(request: Request) -> int:
    return int(request.input.get("count", 1))


def _first_line(fault: BaseException) -> str:
    text = str(fault).strip() or type(fault).__name__
    return text.splitlines()[0][:500]
