"""The runner of diffusers pipelines: a batch of jobs as rows of one call. Imports torch: reach it only through
`models.loading`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL.Image import Image

from jobs.errors import ModelFault, ModelUnavailable
from models.entry import PER_ROW, Entry
from models.fingerprint import weights_of
from models.finishing import DEFAULT_FPS, OUTPUT_TYPES, finish
from models.manifest import Manifest, describe
from models.pictures import fit, opaque, read_picture
from models.pipelines import SEED_MASK, call, faults_told, load_pipeline, takes
from models.placement import choose_dtype, limit_threads, resolve_device
from models.previews import Painter, Sketches
from models.runner import NO_PREVIEWS, Media, Request, Result, Watch

__all__ = ["DiffusersRunner", "choose_dtype", "limit_threads", "resolve_device"]

_OURS = {"seed", "count", "exact", "fps"}  # inputs that Safelight answers itself, unless [call] says otherwise
_SIZE = {"width", "height"}  # to which pictures were brought already, where the pipeline takes no size


@dataclass(frozen=True, slots=True)
class _Row:
    """One output: its request, that one's place in the batch, its own seed, and the pictures it begins with."""

    place: int
    request: Request
    seed: int
    pictures: Mapping[str, Image]


class DiffusersRunner:
    """A pipeline of diffusers in memory."""

    def __init__(self, entry: Entry, device: str) -> None:
        """Put the entry's pipeline on a device such as "cpu" or "cuda:0".

        Raises:
            ModelUnavailable: the weights are missing, unreadable or do not fit together.
            OutOfMemory: there is no room for it.
        """
        self._entry = entry
        self._pipeline = load_pipeline(entry, device)
        try:
            self._painter = Painter(entry, self._pipeline, device)
            self._weights = weights_of(entry)
        except (ValueError, OSError) as fault:
            raise ModelUnavailable(f"{entry.full_name} cannot be loaded: {fault}") from fault

    def generate(self, requests: Sequence[Request], watch: Watch, rows: int = 0) -> list[Result]:
        """See `Runner.generate`. A request for n outputs takes n rows of the batch, seeds counting up. One whose
        picture cannot be read has that fault for itself."""
        results: list[Result] = []
        wanted: list[_Row] = []
        with faults_told():
            for place, request in enumerate(requests):
                try:
                    wanted += self._rows(place, request)
                    results.append([])
                except ModelFault as fault:
                    results.append(fault)
            if wanted:
                for row, media in zip(wanted, self._run(wanted, watch, rows), strict=True):
                    mine = results[row.place]
                    assert isinstance(mine, list)
                    mine.append(media)
        return results

    def _rows(self, place: int, request: Request) -> list[_Row]:
        pictures = {name: self._picture(request, name) for name in self._entry.media_inputs if name in request.input}
        seeds = ((request.seed + offset) & SEED_MASK for offset in range(int(request.input.get("count", 1))))
        return [_Row(place, request, seed, pictures) for seed in seeds]

    def _picture(self, request: Request, name: str) -> Image:
        rule = self._entry.input["properties"][name]
        width, height = request.input.get("width"), request.input.get("height")
        size = (int(width), int(height)) if width and height else None
        return fit(opaque(read_picture(request, name, rule.get("x-max-side"))), rule, size)

    def _run(self, wanted: Sequence[_Row], watch: Watch, rows: int) -> list[Media]:
        idle = [replace(wanted[-1], seed=0)] * (rows - len(wanted))
        batch = [*wanted, *idle]
        fps = float(wanted[0].request.input.get("fps", DEFAULT_FPS))
        output = call(self._pipeline, self._keywords(batch), [row.seed for row in batch], self._tell(batch, watch))
        return finish(output, self._pipeline, [row.seed for row in wanted], self._described(wanted), fps)

    def _described(self, rows: Sequence[_Row]) -> Any:
        def describe_row(number: int) -> Manifest:
            return describe(self._entry, self._weights, rows[number].request, rows[number].seed)

        return describe_row

    def _tell(self, batch: Sequence[_Row], watch: Watch) -> Any:
        """The last step has no preview: the picture itself comes next."""
        first_rows: dict[int, int] = {}
        for number, row in enumerate(batch):
            first_rows.setdefault(row.place, number)
        sketches = Sketches(self._painter, getattr(self._pipeline, "scheduler", None), first_rows)

        def tell(step: int, steps: int, latents: Any) -> None:
            viewers = [place for place in watch.viewers() if place in first_rows]
            watch.step(step, steps, sketches.after_step(latents, viewers) if step < steps else NO_PREVIEWS)

        return tell

    def _keywords(self, rows: Sequence[_Row]) -> dict[str, Any]:
        """What the batch shares comes from its first row: the batch key made sure that they agree."""
        entry, first = self._entry, rows[0]
        ours = set(_OURS)
        if entry.media_inputs:
            ours |= _SIZE - takes(self._pipeline).keys()
        keywords: dict[str, Any] = {"output_type": OUTPUT_TYPES.get(entry.media_kind, "pil")}
        for name, value in first.request.input.items():
            if name in ours and name not in entry.call:
                continue
            keyword = entry.call.get(name, name)
            if name in first.pictures:
                keywords[keyword] = _one_or_all([row.pictures[name] for row in rows])
            else:
                keywords[keyword] = [row.request.input[name] for row in rows] if name in PER_ROW else value
        return keywords


def _one_or_all(pictures: Sequence[Image]) -> Any:
    """Many a pipeline takes one picture only."""
    return pictures if len(pictures) > 1 else pictures[0]
