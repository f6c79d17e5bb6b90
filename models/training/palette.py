"""Colours: how a time of day tints them, and the canvas that everything is painted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[float, float, float]
Pixel = tuple[int, int, int]

SKIES: dict[str, tuple[Colour, Colour, Colour]] = {
    "dawn": ((122, 146, 208), (238, 178, 186), (255, 226, 190)),
    "day": ((48, 118, 214), (112, 176, 238), (206, 232, 250)),
    "dusk": ((54, 34, 104), (184, 70, 112), (255, 158, 78)),
    "night": ((7, 9, 32), (17, 26, 70), (46, 62, 112)),
    "storm": ((34, 38, 48), (68, 74, 86), (118, 124, 130)),
}
TINTS: dict[str, Colour] = {
    "dawn": (1.0, 0.9, 0.88),
    "day": (1.0, 1.0, 1.0),
    "dusk": (0.86, 0.64, 0.68),
    "night": (0.4, 0.45, 0.68),
    "storm": (0.6, 0.63, 0.67),
}
PAINTS: dict[str, Colour] = {
    "red": (206, 48, 42),
    "blue": (48, 96, 214),
    "yellow": (246, 204, 60),
    "white": (246, 246, 244),
    "green": (52, 150, 66),
    "orange": (255, 146, 36),
}


def mix(one: Colour, other: Colour, share: float) -> Pixel:
    """`one` with `share` of `other` in it, rounded to a pixel."""
    r, g, b = (round(min(255.0, max(0.0, a + (c - a) * share))) for a, c in zip(one, other, strict=True))
    return r, g, b


@dataclass(frozen=True)
class Light:
    """What the time of day does to a colour. `lit` says whether lamps are on."""

    tint: Colour
    lit: bool

    def fall(self, colour: Colour, strength: float = 1.0) -> Pixel:
        r, g, b = (c * (1 + (t - 1) * strength) for c, t in zip(colour, self.tint, strict=True))
        return mix((r, g, b), (0, 0, 0), 0)


class Canvas:
    """A picture in progress, with its light. `unit` is the shorter side, by which things are sized."""

    def __init__(self, width: int, height: int, time: str) -> None:
        self.width, self.height, self.unit = width, height, min(width, height)
        self.sky = SKIES[time]
        self.light = Light(TINTS[time], lit=time in ("night", "storm", "dusk"))
        self.body = (0.5, 0.2, 0.08)
        self.image = Image.new("RGB", (width, height))

    @property
    def pen(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self.image)

    @property
    def glaze(self) -> ImageDraw.ImageDraw:
        """A pen whose fourth colour component is opacity."""
        return ImageDraw.Draw(self.image, "RGBA")


def shade_column(stops: tuple[Colour, ...], rows: int) -> np.ndarray:
    """A vertical gradient through `stops`, shape (rows, 3), 0 to 255."""
    at, marks = np.linspace(0, 1, rows), np.linspace(0, 1, len(stops))
    return np.stack([np.interp(at, marks, [stop[i] for stop in stops]) for i in range(3)], axis=1)


def fill_gradient(
    canvas: Canvas, mask: Image.Image, top: float, stops: tuple[Colour, ...], bottom: float = 1.0
) -> None:
    """Fill `mask` with a gradient that runs from `top` to `bottom` (fractions of the height)."""
    first, last = int(top * canvas.height), max(int(top * canvas.height) + 2, int(bottom * canvas.height))
    column = shade_column(stops, last - first)[: canvas.height - first]
    rows = np.concatenate(
        [np.repeat(column[:1], first, 0), column, np.repeat(column[-1:], max(0, canvas.height - last), 0)]
    )
    strip = Image.fromarray(rows[: canvas.height, None, :].astype(np.uint8), "RGB").resize(
        (canvas.width, canvas.height)
    )
    canvas.image.paste(strip, (0, 0), mask)
