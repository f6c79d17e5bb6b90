"""Mountains and the four grounds."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from models.training.attributes import NONE, Scene
from models.training.palette import Canvas, Colour, fill_gradient, mix
from models.training.sky import BODY_PAINTS

MOUNTAIN_PAINTS: dict[str, Colour] = {
    "purple": (128, 66, 176),
    "blue": (50, 98, 206),
    "green": (46, 132, 72),
    "red": (188, 62, 46),
    "white": (242, 246, 252),
    "grey": (108, 110, 116),
}
GROUND_PAINTS: dict[str, tuple[Colour, Colour]] = {
    "meadow": ((134, 190, 82), (58, 122, 50)),
    "desert": ((244, 210, 142), (208, 150, 82)),
    "snow": ((248, 250, 254), (204, 218, 238)),
    "sea": ((52, 130, 186), (18, 66, 122)),
}
Point = tuple[float, float]


def trace_ridge(rng: np.random.Generator, base: float, rise: float, peaks: int) -> tuple[list[Point], list[int]]:
    """A jagged line from the left edge to the right, in fractions, and the indices of its peaks."""
    points: list[Point] = []
    tops: list[int] = []
    xs = np.linspace(-0.12, 1.12, 2 * peaks + 1) + rng.uniform(-0.25, 0.25, 2 * peaks + 1) / (2.6 * peaks)
    heights = rng.uniform(0.55, 1.0, 2 * peaks + 1)
    for i, x in enumerate(xs):
        high = heights[i] if i % 2 else 0.35 * heights[i]
        if i:
            before_x, before_y = points[-1]
            y = base - rise * high
            for share in (0.33, 0.66):
                bend = float(rng.uniform(-0.08, 0.08)) * rise
                points.append((before_x + (x - before_x) * share, before_y + (y - before_y) * share + bend))
        if i % 2:
            tops.append(len(points))
        points.append((float(x), float(base - rise * high)))
    return points, tops


def paint_mountains(canvas: Canvas, colour: str, rng: np.random.Generator, horizon: float) -> None:
    """Two ranges, the farther one paler and higher, each with a shadowed side."""
    haze = canvas.sky[2]
    for rise, far, peaks in ((0.235, 0.3, int(rng.integers(2, 5))), (0.15, 0.1, int(rng.integers(3, 6)))):
        line, tops = trace_ridge(rng, horizon, rise * float(rng.uniform(0.9, 1.1)), peaks)
        paint = mix(canvas.light.fall(MOUNTAIN_PAINTS[colour], 0.75), haze, far)
        paint_range(canvas, line, tops, paint, horizon, mix(paint, haze, 0.26))


def paint_range(
    canvas: Canvas, line: list[Point], tops: list[int], paint: Colour, horizon: float, foot: Colour
) -> None:
    width, height = canvas.width, canvas.height
    outline = [(x * width, y * height) for x, y in line]
    closed = [*outline, (1.2 * width, (horizon + 0.02) * height), (-0.2 * width, (horizon + 0.02) * height)]
    mask, shadow = Image.new("L", canvas.image.size), Image.new("L", canvas.image.size)
    ImageDraw.Draw(mask).polygon(closed, fill=255)
    pen = ImageDraw.Draw(shadow)
    for top in tops:
        x, y = outline[top]
        slope = outline[top : top + 4]
        deep = horizon * height
        middle = ((x - 0.012 * width, y + 0.35 * (deep - y)), (x + 0.02 * width, y + 0.6 * (deep - y)))
        pen.polygon([*slope, (slope[-1][0], deep), (x + 0.005 * width, deep), middle[1], middle[0]], fill=90)
    peak = min(y for _, y in line)
    fill_gradient(canvas, mask, peak, (paint, paint, foot), horizon)
    canvas.image.paste(mix(paint, (16, 14, 48), 0.62), (0, 0), shadow)


def paint_ground(canvas: Canvas, scene: Scene, rng: np.random.Generator, horizon: float) -> None:
    if scene.ground == "sea":
        paint_sea(canvas, scene, rng, horizon)
        return
    far, near = GROUND_PAINTS[scene.ground]
    paints = canvas.light.fall(far), canvas.light.fall(near)
    floor = Image.new("L", canvas.image.size)
    ImageDraw.Draw(floor).rectangle((0, horizon * canvas.height, canvas.width, canvas.height), fill=255)
    fill_gradient(canvas, floor, horizon, (mix(paints[0], canvas.sky[2], 0.25), paints[1]))
    for depth in (0.0, 0.085, 0.2):
        paint_swell(canvas, rng, horizon + depth, mix(paints[0], paints[1], depth * 2.2), paints[1], scene.ground)
    PAINT_TEXTURE[scene.ground](canvas, rng, horizon, paints)


def paint_swell(
    canvas: Canvas, rng: np.random.Generator, level: float, crest: Colour, trough: Colour, ground: str
) -> None:
    """One rolling hill, dune or drift: a smooth line filled downwards from its crest."""
    bumps = {"meadow": 0.022, "desert": 0.034, "snow": 0.018}[ground]
    phase, pace = rng.uniform(0, 6.28, 2), (float(rng.uniform(3, 6)), float(rng.uniform(6, 10)))
    xs = np.linspace(0, 1, 33)
    waves = 0.7 * np.sin(pace[0] * xs + phase[0]) + 0.3 * np.sin(pace[1] * xs + phase[1])
    ys = level + bumps * (0.5 - 0.5 * waves) + 0.004
    mask = Image.new("L", canvas.image.size)
    line = [(float(x) * canvas.width, float(y) * canvas.height) for x, y in zip(xs, ys, strict=True)]
    ImageDraw.Draw(mask).polygon([*line, (canvas.width, canvas.height), (0, canvas.height)], fill=255)
    light = mix(crest, (255, 255, 255), 0.1)
    fill_gradient(canvas, mask, float(ys.min()), (light, mix(crest, trough, 0.55), trough), level + 0.26)


def paint_grass(canvas: Canvas, rng: np.random.Generator, horizon: float, paints: tuple[Colour, Colour]) -> None:
    pen, thick = canvas.pen, max(1, round(0.005 * canvas.unit))
    blossoms: tuple[Colour, ...] = ((250, 240, 240), (250, 214, 80), (236, 110, 120))
    for x, depth, lean, pick in rng.uniform(0, 1, size=(60, 4)):
        y = (horizon + 0.06 + (0.98 - horizon) * depth) * canvas.height
        tall, px = (0.008 + 0.022 * depth) * canvas.unit, x * canvas.width
        if pick < 0.25:
            r = 0.2 * tall
            pen.ellipse((px - r, y - r, px + r, y + r), fill=canvas.light.fall(blossoms[int(pick * 12)]))
        else:
            shade = mix(paints[1], (10, 40, 20), 0.3) if pick < 0.7 else mix(paints[0], (255, 255, 200), 0.1)
            pen.line((px, y, px + (lean - 0.5) * tall, y - tall), fill=shade, width=thick)


def paint_ripples(canvas: Canvas, rng: np.random.Generator, horizon: float, paints: tuple[Colour, Colour]) -> None:
    pen, thick = canvas.glaze, max(1, round(0.005 * canvas.unit))
    for x, depth, long, _ in rng.uniform(0, 1, size=(16, 4)):
        y, reach = (
            (horizon + 0.06 + (0.95 - horizon) * depth) * canvas.height,
            (0.04 + 0.1 * long) * canvas.unit,
        )
        px, high = x * canvas.width, 0.016 * canvas.unit
        pen.arc(
            (px - reach, y - high, px + reach, y + high),
            200,
            340,
            fill=(*mix(paints[1], (90, 50, 20), 0.35), 110),
            width=thick,
        )


def paint_sparkle(canvas: Canvas, rng: np.random.Generator, horizon: float, paints: tuple[Colour, Colour]) -> None:
    pen = canvas.glaze
    for x, depth, long, bright in rng.uniform(0, 1, size=(18, 4)):
        y, reach = (
            (horizon + 0.05 + (0.95 - horizon) * depth) * canvas.height,
            (0.03 + 0.07 * long) * canvas.unit,
        )
        px, high = x * canvas.width, 0.007 * canvas.unit
        shade = mix(paints[0], (255, 255, 255), 0.6) if bright > 0.4 else mix(paints[1], (110, 130, 190), 0.3)
        pen.ellipse((px - reach, y - high, px + reach, y + high), fill=(*shade, 90))


PAINT_TEXTURE = {"meadow": paint_grass, "desert": paint_ripples, "snow": paint_sparkle}


def paint_sea(canvas: Canvas, scene: Scene, rng: np.random.Generator, horizon: float) -> None:
    """Water mirrors what stands above it; waves break the mirror, and the sun or moon lays a path."""
    top = int(horizon * canvas.height)
    far, near = (canvas.light.fall(paint) for paint in GROUND_PAINTS["sea"])
    floor = Image.new("L", canvas.image.size)
    ImageDraw.Draw(floor).rectangle((0, top, canvas.width, canvas.height), fill=255)
    above = canvas.image.crop((0, 0, canvas.width, top)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    mirror = above.resize((canvas.width, canvas.height - top))
    fill_gradient(canvas, floor, horizon, (far, near))
    water = canvas.image.crop((0, top, canvas.width, canvas.height))
    canvas.image.paste(Image.blend(water, mirror, 0.36), (0, top))
    paint_waves(canvas, rng, horizon, mix(far, canvas.sky[2], 0.55), mix(near, (0, 0, 30), 0.3))
    if scene.body != NONE:
        paint_path(canvas, BODY_PAINTS[scene.body_colour], rng, horizon, 0.75 if scene.body == "sun" else 0.55)
    canvas.glaze.line(
        (0, top, canvas.width, top),
        fill=(*mix(far, canvas.sky[2], 0.5), 130),
        width=max(1, canvas.unit // 128),
    )


def paint_waves(canvas: Canvas, rng: np.random.Generator, horizon: float, bright: Colour, dark: Colour) -> None:
    pen = canvas.glaze
    for x, depth, long, pick in rng.uniform(0, 1, size=(64, 4)):
        away = depth**1.5
        y, px = (horizon + 0.012 + (0.98 - horizon) * away) * canvas.height, x * canvas.width
        reach, high = (
            (0.012 + 0.075 * away + 0.03 * long) * canvas.unit,
            (0.0022 + 0.0045 * away) * canvas.unit,
        )
        shade = mix(bright, (0, 0, 0), 0) if pick > 0.42 else mix(dark, (0, 0, 0), 0)
        pen.ellipse((px - reach, y - high, px + reach, y + high), fill=(*shade, 100))


def paint_path(canvas: Canvas, paint: Colour, rng: np.random.Generator, horizon: float, strength: float) -> None:
    pen, shade = canvas.glaze, mix(paint, (255, 255, 255), 0.2)
    for depth, lean, long, _ in rng.uniform(0, 1, size=(26, 4)):
        y = (horizon + 0.008 + (0.9 - horizon) * depth) * canvas.height
        px = (canvas.body[0]) * canvas.width + (lean - 0.5) * (0.05 + 0.1 * depth) * canvas.unit
        reach, high = (
            (0.016 + 0.05 * long * (0.4 + depth)) * canvas.unit,
            (0.0028 + 0.0035 * depth) * canvas.unit,
        )
        pen.ellipse(
            (px - reach, y - high, px + reach, y + high),
            fill=(*shade, int(230 * strength * (1 - 0.5 * depth))),
        )
