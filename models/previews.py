"""Previews: from the latents of a running batch to small JPEGs. Imports torch: reach it only through
`models.diffusion`."""

import io
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from diffusers import EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler
from PIL import Image

from models.budget import Budget
from models.entry import Entry, Preview
from models.runner import NO_PREVIEWS, Previews

log = logging.getLogger(__name__)

SIDE = 128  # of the longer side, in pixels
MOST_BYTES = 8_000

_QUALITIES = (70, 40, 10)  # the first that is small enough; noise may need the last
_COSTS = 9
_MEASURE_S = 1.0
_DECODED = 32  # the decoder sees latents of at most this many on a side

Draw = Callable[[torch.Tensor], torch.Tensor]  # latents (channels, height, width) -> RGB (height, width, 3), 0 to 1


class Painter:
    """Draws what the latents of one pipeline show: by the entry's linear map, or else by the pipeline's own
    decoder where that can be used in between."""

    def __init__(self, entry: Entry, pipeline: Any, device: str) -> None:
        """Raises: ValueError, when the entry's map is for another number of channels."""
        vae = getattr(pipeline, "vae", None)
        channels = getattr(getattr(vae, "config", None), "latent_channels", None)
        if entry.preview and channels and len(entry.preview.rgb) != channels:
            raise ValueError(f"[preview] rgb has {len(entry.preview.rgb)} rows, the latents {channels} channels")
        drawn = channels and entry.media_kind == "image"
        self._draw = _linear(entry.preview) if entry.preview else _decoder(entry, vae) if drawn else None
        self._costs: deque[float] = deque(maxlen=_COSTS)
        if self._draw:
            try:
                self._measure(channels or len(entry.preview.rgb if entry.preview else ()), device)
            except Exception as fault:  # the model may be fine all the same
                self.give_up(fault)

    def can_draw(self, latents: Any) -> bool:
        """Whether these are a batch of pictures: (rows, channels, height, width). FLUX packs them otherwise."""
        return self._draw is not None and isinstance(latents, torch.Tensor) and latents.ndim == 4

    def paint(self, latents: torch.Tensor) -> bytes | None:
        """A small JPEG of one picture's latents; None if it cannot be made small."""
        assert self._draw
        pixels = self._draw(latents).nan_to_num().clamp(0, 1).mul(255).round().byte()
        return shrink(Image.fromarray(pixels.cpu().numpy()))

    def give_up(self, fault: Exception) -> None:
        """What could not be drawn once is not tried again."""
        log.warning("no more previews of this model: %s: %s", type(fault).__name__, fault)
        self._draw = None

    @property
    def cost_s(self) -> float:
        """What a preview takes, by the quickest of the last few: a busy moment must not end the previews of short
        jobs for ever. What each took in fact is what the budget is charged."""
        return min(self._costs)

    def note_cost(self, took_s: float) -> None:
        self._costs.append(took_s)

    def _measure(self, channels: int, device: str) -> None:
        blank = torch.zeros(channels, _DECODED, _DECODED, device=device)
        with torch.inference_mode():
            self.paint(blank)  # sets up what all later ones use
            until = time.perf_counter() + _MEASURE_S
            while len(self._costs) < _COSTS and (not self._costs or time.perf_counter() < until):
                began = time.perf_counter()
                self.paint(blank)
                _settle(blank)
                self.note_cost(time.perf_counter() - began)


class Sketches:
    """The previews of one run of a pipeline. `rows`: from a request's place to its first row in the batch."""

    def __init__(self, painter: Painter, scheduler: Any, rows: Mapping[int, int]) -> None:
        self._painter, self._scheduler, self._rows = painter, scheduler, rows
        self._before: torch.Tensor | None = None
        self._budget = Budget(time.perf_counter())

    def after_step(self, latents: Any, viewers: Collection[int]) -> Previews:
        """Previews for those of the viewers that are due and can be afforded, by their places."""
        before, self._before = self._before, latents
        if not viewers or not self._painter.can_draw(latents):
            return NO_PREVIEWS
        try:
            return self._paint(viewers, before, latents)
        except Exception as fault:  # whatever a foreign pipeline leads to, it must not cost a job its picture
            self._painter.give_up(fault)
            return NO_PREVIEWS

    def _paint(self, viewers: Collection[int], before: torch.Tensor | None, latents: torch.Tensor) -> Previews:
        now = time.perf_counter()
        due = self._budget.due(viewers, now)
        if not due or not self._budget.affords(self._painter.cost_s, now):
            return NO_PREVIEWS
        _settle(latents)
        previews: dict[int, bytes] = {}
        for place in due:
            began = time.perf_counter()
            if not self._budget.affords(self._painter.cost_s, began):
                break
            row = slice(self._rows[place], self._rows[place] + 1)
            seen = estimate(self._scheduler, None if before is None else before[row], latents[row], row)
            if seen is None:
                break
            if jpeg := self._painter.paint(seen[0]):
                previews[place] = jpeg
            ended = time.perf_counter()
            self._painter.note_cost(ended - began)
            self._budget.charge(place, began, ended)
        return previews


def estimate(scheduler: Any, before: torch.Tensor | None, after: torch.Tensor, row: slice) -> torch.Tensor | None:
    """The latents of the picture that the pipeline is after, as far as it knows them at this step. Where the
    scheduler does not tell, they are the present ones, noise included. None: nothing worth seeing yet.

    Schedulers that predict the picture keep their last prediction. Euler's steps are straight lines towards
    it, in the noise level sigma: x0 = x' − sigma' · (x' − x) / (sigma' − sigma).
    """
    if _keeps_prediction(scheduler) and (kept := scheduler.model_outputs[-1]) is not None:
        prediction: torch.Tensor = kept[row]
        return prediction
    if isinstance(scheduler, EulerDiscreteScheduler | FlowMatchEulerDiscreteScheduler):
        if before is None:
            return None
        from_sigma, to_sigma = (float(scheduler.sigmas[scheduler.step_index + back]) for back in (-1, 0))
        return after - to_sigma * (after - before) / (to_sigma - from_sigma)
    return after


def _keeps_prediction(scheduler: Any) -> bool:
    if not getattr(scheduler, "model_outputs", None):
        return False
    algorithm = str(scheduler.config.get("algorithm_type", ""))
    return algorithm.endswith("dpmsolver++") or bool(scheduler.config.get("predict_x0"))


def _linear(preview: Preview) -> Draw:
    side = preview.pixels_per_latent
    weights = torch.tensor(preview.rgb).view(len(preview.rgb), side, side, 3)
    offset = torch.tensor(preview.offset)

    def draw(latents: torch.Tensor) -> torch.Tensor:
        pixels = torch.einsum("chw,cyxk->hywxk", latents.float(), weights.to(latents.device))
        return pixels.flatten(2, 3).flatten(0, 1) + offset.to(latents.device)

    return draw


def _decoder(entry: Entry, vae: Any) -> Draw | None:
    """None where decoding in between is not safe: with offloading it would move the denoiser off its device,
    and some decoders overflow in half precision."""
    if entry.load.offload != "none" or (vae.dtype == torch.float16 and getattr(vae.config, "force_upcast", False)):
        return None
    scaling = getattr(vae.config, "scaling_factor", None) or 1.0
    shift = getattr(vae.config, "shift_factor", None) or 0.0

    def draw(latents: torch.Tensor) -> torch.Tensor:
        height, width = latents.shape[1:]
        least = min(1.0, _DECODED / max(height, width))
        size = (max(1, round(height * least)), max(1, round(width * least)))
        small = torch.nn.functional.interpolate(latents[None].float(), size, mode="area")
        painted: torch.Tensor = vae.decode((small / scaling + shift).to(vae.dtype), return_dict=False)[0][0]
        return painted.float().permute(1, 2, 0) / 2 + 0.5

    return draw


def shrink(image: Image.Image) -> bytes | None:
    """A small JPEG of a picture; None if it cannot be made small."""
    scale = SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image.resize(size, Image.Resampling.BICUBIC)
    for quality in _QUALITIES:
        data = io.BytesIO()
        small.save(data, "JPEG", quality=quality)
        if data.tell() <= MOST_BYTES:
            return data.getvalue()
    return None


def _settle(latents: torch.Tensor) -> None:
    """Wait for what an accelerator still computes, or its time would count as ours."""
    if latents.device.type != "cpu":
        torch.accelerator.synchronize(latents.device)
