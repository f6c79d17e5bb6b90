"""Enlarging pictures without a network: Lanczos and a mild unsharp mask. It adds no detail that is not there, and
needs no torch."""

from collections.abc import Sequence

from PIL import Image, ImageFilter

from jobs.errors import InvalidMedia, ModelFault
from models.encoding import to_png
from models.entry import Entry
from models.manifest import describe
from models.pictures import read_picture
from models.runner import Media, Request, Result, Watch

MOST_PIXELS = 32_000_000  # of what comes out

_INPUT = "image"
_RADIUS = 0.6  # of the mask, in pixels of the original
_PERCENT = 100  # of its strength, at sharpen = 1
_THRESHOLD = 2  # levels: flat areas and the noise in them stay as they are


class Upscale:
    """The classical enlarger."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def generate(self, requests: Sequence[Request], watch: Watch, rows: int = 0) -> list[Result]:
        """See `Runner.generate`. One picture after the other: rows that fill up a batch would be for nothing."""
        results: list[Result] = []
        for number, request in enumerate(requests, 1):
            try:
                results.append([self._enlarge(request)])
            except ModelFault as fault:
                results.append(fault)
            watch.step(number, len(requests))
        return results

    def _enlarge(self, request: Request) -> Media:
        rule = self._entry.input["properties"][_INPUT]
        image = read_picture(request, _INPUT, rule.get("x-max-side"))
        factor = int(request.input["factor"])
        if image.width * image.height * factor**2 > MOST_PIXELS:
            much = f"{image.width * factor}×{image.height * factor}"
            raise InvalidMedia(f"input.{_INPUT}: {much} would be more than {MOST_PIXELS // 1_000_000} megapixels.")
        large = enlarge(image, factor, float(request.input["sharpen"]))
        data = to_png(large, describe(self._entry, None, request, None))
        return Media(data, "image/png", large.width, large.height)


def enlarge(image: Image.Image, factor: int, sharpen: float) -> Image.Image:
    """Colours of transparent pixels do not bleed into their neighbours."""
    size = (image.width * factor, image.height * factor)
    premultiplied = image.mode == "RGBA"
    large = (image.convert("RGBa") if premultiplied else image).resize(size, Image.Resampling.LANCZOS)
    large = large.convert("RGBA") if premultiplied else large
    if sharpen == 0:
        return large
    mask = ImageFilter.UnsharpMask(_RADIUS * factor, round(_PERCENT * sharpen), _THRESHOLD)
    if not premultiplied:
        return large.filter(mask)
    sharp = large.convert("RGB").filter(mask)
    sharp.putalpha(large.getchannel("A"))
    return sharp
