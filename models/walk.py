"""A film from a pipeline that draws single pictures: a walk from one prompt to another over the same noise, or with
one prompt from one noise to another. Imports torch: reach it only through `models.loading`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from PIL.Image import Image

from jobs.errors import InvalidMedia
from models.effort import count_drawn, count_frames
from models.entry import Entry
from models.fingerprint import weights_of
from models.finishing import finish_film
from models.manifest import describe
from models.noises import blend, draw_noise
from models.pictures import fit, opaque, read_picture
from models.pipelines import SEED_MASK, call, faults_told, load_pipeline, redrawing, unlearning
from models.previews import shrink
from models.runner import NO_PREVIEWS, Media, Request, Result, Watch
from models.spacing import between, choose, even

_ROWS = 8  # frames drawn at a time
_FIRST = 9  # frames drawn before it is known where the picture changes

_OWN = frozenset({"prompt", "negative_prompt", "to", "seconds", "fps", "seed", "image", "strength"})


class Walk:
    """A text-to-image pipeline whose `encode_prompt` gives one embedding for each side of the guidance."""

    def __init__(self, entry: Entry, device: str) -> None:
        """Raises: ModelUnavailable, OutOfMemory: as `load_pipeline`."""
        self._entry = entry
        self._pipeline = load_pipeline(entry, device)
        self._weights = weights_of(entry)

    def generate(self, requests: Sequence[Request], watch: Watch, rows: int = 0) -> list[Result]:
        """See `Runner.generate`. One film after the other; a step is a frame, drawn for the film or to find out
        where it changes."""
        results: list[Result] = []
        with faults_told():
            for place, request in enumerate(requests):
                try:
                    results.append([self._film(request, _Reel(watch, place, request))])
                except InvalidMedia as fault:
                    results.append(fault)
        return results

    def _film(self, request: Request, reel: "_Reel") -> Media:
        way = self._way(request)
        takes = _Takes()
        while (missing := reel.takes - len(takes)) > 0:
            places = takes.between(min(_ROWS, missing)) or even(min(_FIRST, missing))
            takes.add(places, way.draw(places, reel))
        manifest = describe(self._entry, self._weights, request, request.seed)
        return finish_film(takes.choose(reel.frames), float(request.input["fps"]), manifest, request.seed)

    def _way(self, request: Request) -> "_Way":
        given = request.input
        keywords = {self._entry.call.get(name, name): given[name] for name in given if name not in _OWN}
        guided = float(given["guidance"]) > 1
        if "image" in given:
            first, last = ("", given["prompt"]) if given.get("to") is None else (given["prompt"], given["to"])
            keywords = {name: value for name, value in keywords.items() if name not in ("width", "height")}
            keywords |= {"image": self._picture(request), "strength": given["strength"]}
            pipeline, noises = redrawing(self._pipeline), None
        else:
            first, last = given["prompt"], given.get("to") or given["prompt"]
            beyond = request.seed if given.get("to") else (request.seed + 1) & SEED_MASK
            size = int(given["width"]), int(given["height"])
            pipeline, noises = self._pipeline, draw_noise(self._pipeline, [request.seed, beyond], size)
        start, negative = self._encode(first, guided, given)
        end, _ = self._encode(last, guided, given)
        return _Way(pipeline, keywords, start, end, negative if guided else None, noises, request.seed)

    def _picture(self, request: Request) -> Image:
        size = int(request.input["width"]), int(request.input["height"])
        rule = self._entry.input["properties"]["image"]
        return fit(opaque(read_picture(request, "image", rule.get("x-max-side"))), rule, size)

    def _encode(self, text: str, guided: bool, given: Mapping[str, Any]) -> Any:
        pipeline = self._pipeline
        negative = given.get("negative_prompt") or None
        with unlearning():
            return pipeline.encode_prompt(text, pipeline._execution_device, 1, guided, negative)


@dataclass
class _Reel:
    """How far a film is, and whom it is told."""

    watch: Watch
    place: int  # of its request
    request: Request
    done: int = 0
    frames: int = field(init=False)  # of the film
    takes: int = field(init=False)  # of which they are chosen

    def __post_init__(self) -> None:
        self.frames = count_frames(self.request.input)
        self.takes = count_drawn(self.request.input)

    def advance(self, frames: int, newest: Image | None = None) -> None:
        """The last frame has no preview: the film itself comes next."""
        self.done += frames
        shown = newest is not None and self.done < self.takes and self.place in self.watch.viewers()
        jpeg = shrink(newest) if newest is not None and shown else None
        self.watch.step(self.done, self.takes, {self.place: jpeg} if jpeg else NO_PREVIEWS)


@dataclass(frozen=True)
class _Way:
    """From one prompt's embedding to the other's, and from one noise to another, if there are two. Everything else
    stays the same."""

    pipeline: Any
    keywords: dict[str, Any]
    start: Any
    end: Any
    negative: Any  # None without guidance
    noises: tuple[Any, Any] | None  # None: the pipeline draws it, by the seed
    seed: int

    def draw(self, places: Sequence[float], reel: _Reel) -> list[Image]:
        """The pictures at these places, from 0 to 1."""
        pictures: list[Image] = []
        for first in range(0, len(places), _ROWS):
            rows = places[first : first + _ROWS]
            pictures += self._draw(rows, reel)
            reel.advance(len(rows), pictures[-1])
        return pictures

    def _draw(self, rows: Sequence[float], reel: _Reel) -> list[Image]:
        some = len(rows)
        keywords = {**self.keywords, "output_type": "pil"}
        shares = self.start.new_tensor(rows).view(-1, 1, 1)
        keywords["prompt_embeds"] = shares * (self.end - self.start) + self.start
        if self.noises is not None:
            keywords["latents"] = blend(*self.noises, rows)
        if self.negative is not None:
            keywords["negative_prompt_embeds"] = self.negative.expand(some, -1, -1)
        if "image" in keywords:
            keywords["image"] = [keywords["image"]] * some

        def tell(step: int, steps: int, latents: Any) -> None:
            reel.watch.pulse()

        images: list[Image] = call(self.pipeline, keywords, [self.seed] * some, tell).images
        return images


class _Takes:
    """The pictures drawn so far, in the order of their places."""

    def __init__(self) -> None:
        self._pictures: dict[float, Image] = {}
        self._known: dict[tuple[float, float], float] = {}

    def __len__(self) -> int:
        return len(self._pictures)

    def add(self, places: Sequence[float], pictures: Sequence[Image]) -> None:
        self._pictures |= zip(places, pictures, strict=True)
        self._pictures = dict(sorted(self._pictures.items()))

    def between(self, count: int) -> list[float]:
        """Where to draw next; nowhere in particular before anything is drawn."""
        return between(list(self._pictures), self._differences(), count) if self._pictures else []

    def choose(self, count: int) -> list[Image]:
        pictures = list(self._pictures.values())
        return [pictures[place] for place in choose(self._differences(), count)]

    def _differences(self) -> list[float]:
        for pair in pairwise(self._pictures):
            if pair not in self._known:
                before, after = (np.asarray(self._pictures[place].convert("RGB"), np.float32) for place in pair)
                self._known[pair] = float(np.abs(after - before).mean())
        return [self._known[pair] for pair in pairwise(self._pictures)]
