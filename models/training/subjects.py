"""The ten subjects, each painted on its foot: (pen, x, foot, tall, light, colour, rng), in pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import ImageDraw

from models.training.palette import PAINTS, Canvas, Colour, Light, Pixel, mix

Pen = ImageDraw.ImageDraw
Painter = Callable[[Pen, float, float, float, Light, str, np.random.Generator], None]
LAMP: Pixel = (255, 214, 110)
SOFTLY = 0.72
BARK: Colour = (104, 70, 44)
STONE: Colour = (156, 152, 158)


def cut(pen: Pen, x: float, foot: float, tall: float, points: tuple[tuple[float, float], ...], fill: Pixel) -> None:
    """Fill a polygon given in fractions of `tall`, right of `x` and above `foot`."""
    pen.polygon([(x + dx * tall, foot - dy * tall) for dx, dy in points], fill=fill)


def block(pen: Pen, x: float, foot: float, tall: float, box: tuple[float, float, float, float], fill: Pixel) -> None:
    """Fill a box (left, bottom, right, top) given in fractions of `tall`."""
    left, bottom, right, top = box
    pen.rectangle((x + left * tall, foot - top * tall, x + right * tall, foot - bottom * tall), fill=fill)


def light_window(light: Light, day: Colour = (70, 84, 110)) -> Pixel:
    return LAMP if light.lit else mix(day, day, 0)


def paint_boat(
    pen: Pen, x: float, foot: float, tall: float, light: Light, colour: str, rng: np.random.Generator
) -> None:
    sail = light.fall(PAINTS[colour], SOFTLY)
    wood = light.fall((92, 54, 34), SOFTLY)
    block(pen, x, foot, tall, (-0.015, 0.1, 0.015, 1.0), wood)
    cut(pen, x, foot, tall, ((0.03, 0.96), (0.42, 0.22), (0.03, 0.2)), sail)
    cut(pen, x, foot, tall, ((-0.03, 0.86), (-0.34, 0.22), (-0.03, 0.2)), mix(sail, (255, 255, 255), 0.22))
    cut(pen, x, foot, tall, ((-0.46, 0.16), (0.5, 0.16), (0.34, -0.05), (-0.32, -0.05)), wood)
    cut(
        pen,
        x,
        foot,
        tall,
        ((-0.46, 0.16), (0.5, 0.16), (0.47, 0.11), (-0.43, 0.11)),
        mix(wood, (255, 255, 255), 0.45),
    )


def paint_house(
    pen: Pen, x: float, foot: float, tall: float, light: Light, colour: str, rng: np.random.Generator
) -> None:
    wall = light.fall(PAINTS[colour], SOFTLY)
    roof = light.fall((92, 62, 58), SOFTLY)
    block(pen, x, foot, tall, (0.32, 0.6, 0.44, 1.02), mix(roof, (20, 20, 20), 0.3))
    block(pen, x, foot, tall, (-0.58, 0, 0.58, 0.6), wall)
    block(pen, x, foot, tall, (0.3, 0, 0.58, 0.6), mix(wall, (20, 20, 50), 0.2))
    cut(pen, x, foot, tall, ((-0.7, 0.58), (-0.38, 1.0), (0.38, 1.0), (0.7, 0.58)), roof)
    block(pen, x, foot, tall, (-0.12, 0, 0.1, 0.38), light.fall((88, 56, 36), SOFTLY))
    for left in (-0.44, 0.28):
        block(pen, x, foot, tall, (left - 0.02, 0.2, left + 0.2, 0.46), light.fall((250, 248, 240), SOFTLY))
        block(pen, x, foot, tall, (left, 0.22, left + 0.18, 0.44), light_window(light))


def paint_tree(
    pen: Pen, x: float, foot: float, tall: float, light: Light, colour: str, rng: np.random.Generator
) -> None:
    leaf = light.fall((62, 138, 54), SOFTLY)
    cut(pen, x, foot, tall, ((-0.09, 0), (-0.04, 0.5), (0.05, 0.5), (0.1, 0)), light.fall(BARK, SOFTLY))
    blobs = (
        (-0.2, 0.54, 0.21),
        (0.2, 0.54, 0.21),
        (0.0, 0.6, 0.25),
        (-0.13, 0.76, 0.2),
        (0.14, 0.76, 0.19),
        (0, 0.85, 0.17),
    )
    for dx, dy, size in blobs:
        cx, cy, r = x + (dx + float(rng.uniform(-0.03, 0.03))) * tall, foot - dy * tall, size * tall
        pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill=mix(leaf, (10, 30, 20), 0.25))
    for dx, dy, size in blobs:
        cx, cy, r = x + (dx - 0.04) * tall, foot - (dy + 0.04) * tall, 0.68 * size * tall
        pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill=mix(leaf, (220, 240, 120), 0.12))


def paint_pine(pen: Pen, x: float, foot: float, tall: float, light: Light) -> None:
    leaf = light.fall((30, 92, 62), SOFTLY)
    block(pen, x, foot, tall, (-0.04, 0, 0.04, 0.16), light.fall(BARK, SOFTLY))
    for low, high, wide in ((0.12, 0.52, 0.27), (0.34, 0.76, 0.215), (0.58, 1.0, 0.15)):
        cut(pen, x, foot, tall, ((-wide, low), (0, high), (wide, low)), mix(leaf, (0, 10, 20), 0.16))
        cut(pen, x, foot, tall, ((-wide, low), (0, high), (-0.02, low)), mix(leaf, (200, 240, 190), 0.12))


def paint_forest(
    pen: Pen, x: float, foot: float, tall: float, light: Light, colour: str, rng: np.random.Generator
) -> None:
    for dx, share, down in (
        (-0.36, 0.8, 0.06),
        (0.36, 0.78, 0.05),
        (0.02, 1.0, 0.05),
        (-0.56, 0.6, 0.0),
        (-0.17, 0.7, -0.02),
        (0.2, 0.72, -0.02),
        (0.55, 0.58, 0.0),
    ):
        nudge = float(rng.uniform(-0.03, 0.03))
        paint_pine(pen, x + (dx + nudge) * tall, foot - down * tall, share * tall, light)


def paint_cactus(
    pen: Pen, x: float, foot: float, tall: float, light: Light, colour: str, rng: np.random.Generator
) -> None:
    skin = light.fall((62, 142, 76), SOFTLY)
    edge = mix(skin, (0, 20, 20), 0.3)
    round_bar(pen, x, foot, tall, (-0.1, -0.02, 0.1, 1.0), edge)
    for side, low, high in ((-1.0, 0.34, 0.74), (1.0, 0.44, 0.86)):
        joint = (-0.38, low, 0.02, low + 0.15) if side < 0 else (-0.02, low, 0.38, low + 0.15)
        limb = (-0.38, low, -0.23, high) if side < 0 else (0.23, low, 0.38, high)
        round_bar(pen, x, foot, tall, joint, edge)
        round_bar(pen, x, foot, tall, limb, skin)
    round_bar(pen, x, foot, tall, (-0.1, 0.0, 0.05, 0.99), skin)
    round_bar(pen, x, foot, tall, (-0.06, 0.06, -0.02, 0.92), mix(skin, (240, 250, 190), 0.3))


def round_bar(
    pen: Pen, x: float, foot: float, tall: float, box: tuple[float, float, float, float], fill: Pixel
) -> None:
    left, bottom, right, top = box
    radius = 0.5 * min(right - left, top - bottom) * tall
    pen.rounded_rectangle(
        (x + left * tall, foot - top * tall, x + right * tall, foot - bottom * tall), radius, fill=fill
    )


def paint_lighthouse(
    pen: Pen, x: float, foot: float, tall: float, light: Light, colour: str, rng: np.random.Generator
) -> None:
    white, red = light.fall(PAINTS["white"], SOFTLY), light.fall(PAINTS["red"], SOFTLY)
    if light.lit:
        side = 1.0 if rng.random() < 0.5 else -1.0
        cut(pen, x, foot, tall, ((0.0, 0.88), (1.0 * side, 0.99), (1.0 * side, 0.76)), mix(LAMP, white, 0.4))
    for i in range(5):
        low, high = i * 0.156, (i + 1) * 0.156
        cut(
            pen,
            x,
            foot,
            tall,
            (
                (-0.16 + 0.09 * low, low),
                (-0.16 + 0.09 * high, high),
                (0.16 - 0.09 * high, high),
                (0.16 - 0.09 * low, low),
            ),
            red if i % 2 == 0 else white,
        )
    cut(pen, x, foot, tall, ((0.05, 0), (0.04, 0.78), (0.09, 0.78), (0.16, 0)), mix(red, (30, 20, 50), 0.45))
    block(pen, x, foot, tall, (-0.14, 0.77, 0.14, 0.81), light.fall((60, 60, 70), SOFTLY))
    block(pen, x, foot, tall, (-0.08, 0.81, 0.08, 0.92), LAMP if light.lit else light.fall((190, 220, 240)))
    cut(pen, x, foot, tall, ((-0.12, 0.91), (0, 1.02), (0.12, 0.91)), red)


def paint_pyramid(
    pen: Pen, x: float, foot: float, tall: float, light: Light, colour: str, rng: np.random.Generator
) -> None:
    sand = light.fall((236, 186, 96), SOFTLY)
    cut(pen, x, foot, tall, ((-0.78, 0), (0.06, 1.0), (0.3, -0.06)), sand)
    cut(pen, x, foot, tall, ((0.3, -0.06), (0.06, 1.0), (0.8, 0.02)), mix(sand, (60, 24, 20), 0.46))
    for level in (0.2, 0.4, 0.6, 0.8):
        left, right = -0.78 + 0.84 * level, 0.3 - 0.24 * level
        pen.line(
            (
                x + left * tall,
                foot - level * tall,
                x + right * tall,
                foot - (level - 0.06 * (1 - level)) * tall,
            ),
            fill=mix(sand, (90, 50, 20), 0.28),
            width=max(1, int(0.018 * tall)),
        )


def paint_tent(
    pen: Pen, x: float, foot: float, tall: float, light: Light, colour: str, rng: np.random.Generator
) -> None:
    cloth = light.fall(PAINTS[colour], SOFTLY)
    cut(pen, x, foot, tall, ((-0.36, 1.0), (0.5, 1.0), (0.95, 0.04), (0.2, 0)), mix(cloth, (20, 20, 50), 0.3))
    cut(pen, x, foot, tall, ((-0.85, 0), (-0.33, 1.02), (0.2, 0)), cloth)
    cut(
        pen,
        x,
        foot,
        tall,
        ((-0.5, 0), (-0.33, 0.68), (-0.14, 0)),
        LAMP if light.lit else mix(cloth, (20, 16, 30), 0.72),
    )
    cut(pen, x, foot, tall, ((-0.36, 1.1), (-0.3, 1.1), (-0.3, 0.95), (-0.36, 0.95)), light.fall(BARK, SOFTLY))


def paint_windmill(
    pen: Pen, x: float, foot: float, tall: float, light: Light, colour: str, rng: np.random.Generator
) -> None:
    wall = light.fall((232, 222, 204), SOFTLY)
    cut(pen, x, foot, tall, ((-0.2, 0), (-0.12, 0.6), (0.12, 0.6), (0.2, 0)), wall)
    cut(pen, x, foot, tall, ((0.06, 0), (0.05, 0.6), (0.12, 0.6), (0.2, 0)), mix(wall, (30, 20, 60), 0.26))
    cut(pen, x, foot, tall, ((-0.15, 0.59), (0, 0.76), (0.15, 0.59)), light.fall((122, 62, 48), SOFTLY))
    block(pen, x, foot, tall, (-0.05, 0, 0.05, 0.16), light.fall(BARK, SOFTLY))
    block(pen, x, foot, tall, (-0.04, 0.3, 0.04, 0.4), light_window(light))
    hub, start, blade = 0.62, float(rng.uniform(0.3, 1.2)), light.fall((112, 76, 52), SOFTLY)
    for turn in range(4):
        angle = start + turn * np.pi / 2
        dx, dy = float(np.cos(angle)), float(np.sin(angle))
        arm = (
            (0.0, hub),
            (0.4 * dx, hub + 0.4 * dy),
            (0.4 * dx - 0.11 * dy, hub + 0.4 * dy + 0.11 * dx),
            (0.08 * dx - 0.11 * dy, hub + 0.08 * dy + 0.11 * dx),
        )
        cut(pen, x, foot, tall, arm, mix(wall, (255, 255, 255), 0.35))
        pen.line(
            (x, foot - hub * tall, x + 0.42 * dx * tall, foot - (hub + 0.42 * dy) * tall),
            fill=blade,
            width=max(1, int(0.035 * tall)),
        )


def paint_castle(
    pen: Pen, x: float, foot: float, tall: float, light: Light, colour: str, rng: np.random.Generator
) -> None:
    stone, roof = light.fall(STONE, SOFTLY), light.fall((70, 84, 150), SOFTLY)
    block(pen, x, foot, tall, (-0.5, 0, 0.5, 0.42), mix(stone, (40, 40, 70), 0.14))
    for left in (-0.46, -0.27, -0.08, 0.11, 0.3):
        block(pen, x, foot, tall, (left, 0.4, left + 0.1, 0.49), mix(stone, (40, 40, 70), 0.14))
    for centre, high in ((-0.5, 0.62), (0.5, 0.62), (0.0, 0.72)):
        block(pen, x, foot, tall, (centre - 0.13, 0, centre + 0.13, high), stone)
        block(pen, x, foot, tall, (centre + 0.05, 0, centre + 0.13, high), mix(stone, (30, 30, 60), 0.28))
        cut(pen, x, foot, tall, ((centre - 0.17, high), (centre, high + 0.28), (centre + 0.17, high)), roof)
        block(pen, x, foot, tall, (centre - 0.04, high - 0.2, centre + 0.03, high - 0.07), light_window(light))
    pen.pieslice(
        (x - 0.1 * tall, foot - 0.26 * tall, x + 0.1 * tall, foot + 0.1 * tall),
        180,
        360,
        fill=light.fall((64, 44, 36), SOFTLY),
    )
    block(pen, x, foot, tall, (-0.1, 0, 0.1, 0.08), light.fall((64, 44, 36), SOFTLY))


PAINTERS: dict[str, Painter] = {
    "boat": paint_boat,
    "house": paint_house,
    "tree": paint_tree,
    "forest": paint_forest,
    "cactus": paint_cactus,
    "lighthouse": paint_lighthouse,
    "pyramid": paint_pyramid,
    "tent": paint_tent,
    "windmill": paint_windmill,
    "castle": paint_castle,
}


def paint_island(canvas: Canvas, centre: float, foot: float, tall: float) -> None:
    """A low bank that keeps anything but a boat out of the water."""
    x, y = centre * canvas.width, foot * canvas.height
    wide = min(1.05 * tall, 0.27 * canvas.unit)
    sand = canvas.light.fall((206, 178, 122))
    canvas.pen.ellipse(
        (x - wide, y - 0.055 * canvas.unit, x + wide, y + 0.045 * canvas.unit),
        fill=mix(sand, (40, 30, 40), 0.35),
    )
    canvas.pen.ellipse((x - wide, y - 0.055 * canvas.unit, x + wide, y + 0.03 * canvas.unit), fill=sand)
