"""Everything above the horizon that is not land: gradient, clouds, stars, sun and moon, rain."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from models.training.attributes import NONE, Scene
from models.training.palette import Canvas, Colour, mix, shade_column

ROUGH = 72
BODY_CENTRES = {"left": 0.22, "middle": 0.5, "right": 0.78}
CLOUDS: dict[str, Colour] = {
    "dawn": (255, 232, 226),
    "day": (255, 255, 255),
    "dusk": (250, 130, 110),
    "night": (50, 60, 100),
    "storm": (40, 43, 52),
}
BODY_PAINTS: dict[str, Colour] = {
    "white": (252, 251, 246),
    "yellow": (255, 226, 78),
    "orange": (255, 142, 30),
    "red": (228, 40, 34),
    "blue": (84, 150, 255),
}


def place_body(scene: Scene, rng: np.random.Generator) -> tuple[float, float, float]:
    """Centre and radius of the sun or moon, as fractions; drawn even when there is none."""
    x, y = float(rng.uniform(-0.06, 0.06)), float(rng.uniform(0, 1))
    size = float(rng.uniform(0.92, 1.12))
    low = scene.time in ("dawn", "dusk") and scene.body == "sun"
    centre = BODY_CENTRES.get(scene.body_place, 0.5) + x
    return (
        centre,
        (0.2 + 0.14 * y if low else 0.13 + 0.15 * y),
        (0.088 if scene.body == "sun" else 0.07) * size,
    )


def paint_sky(canvas: Canvas, scene: Scene, rng: np.random.Generator, horizon: float) -> None:
    """Gradient, glow and clouds are soft, so they are computed on a rough grid and enlarged."""
    jitter = rng.normal(0, 5, size=(3, 3))
    stops = tuple(tuple(float(v) for v in np.array(stop) + j) for stop, j in zip(canvas.sky, jitter, strict=True))
    reach = max(2, int(ROUGH * (horizon + 0.05)))
    column = np.concatenate([shade_column(stops, reach), np.repeat(np.array(stops[-1:]), ROUGH - reach, 0)])  # type: ignore[arg-type]
    grid = np.repeat(column[:, None, :], ROUGH, axis=1)
    body = place_body(scene, np.random.default_rng(int(rng.integers(2**31))))
    canvas.body = body
    grid = add_clouds(add_glow(grid, canvas, scene, body), scene, rng)
    rough = Image.fromarray(np.clip(grid, 0, 255).astype(np.uint8), "RGB")
    canvas.image.paste(rough.resize((canvas.width, canvas.height), Image.Resampling.BICUBIC))
    if scene.time == "night":
        paint_stars(canvas, rng)


def add_glow(grid: np.ndarray, canvas: Canvas, scene: Scene, body: tuple[float, float, float]) -> np.ndarray:
    if scene.body == NONE:
        return grid
    x, y, radius = body
    across, down = np.meshgrid((np.arange(ROUGH) + 0.5) / ROUGH, (np.arange(ROUGH) + 0.5) / ROUGH)
    away = np.hypot((across - x) * canvas.width, (down - y) * canvas.height) / canvas.unit
    strong = 0.62 if scene.body == "sun" else 0.3
    wide, near = np.exp(-((away / (3.6 * radius)) ** 2)), np.exp(-((away / (1.7 * radius)) ** 2))
    share = (strong * (0.45 * wide + 0.55 * near))[..., None]
    return blend_grid(grid, BODY_PAINTS[scene.body_colour], share)


def blend_grid(grid: np.ndarray, colour: Colour, share: np.ndarray) -> np.ndarray:
    return np.asarray(grid + (np.array(colour) - grid) * share)


def add_clouds(grid: np.ndarray, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Blend a few banks of soft ellipses into the upper sky; a storm has many."""
    across, down = np.meshgrid((np.arange(ROUGH) + 0.5) / ROUGH, (np.arange(ROUGH) + 0.5) / ROUGH)
    cover = np.zeros((ROUGH, ROUGH))
    for _ in range(14 if scene.time == "storm" else int(rng.integers(0, 5))):
        x, y = rng.uniform(0, 1), rng.uniform(0.02, 0.28 if scene.time == "storm" else 0.42)
        wide, high = rng.uniform(0.08, 0.2), rng.uniform(0.014, 0.032)
        if scene.time == "storm":
            wide, high = wide * 1.4, high * 1.9
        cover += np.exp(-(((across - x) / wide) ** 2) - ((down - y) / high) ** 2)
        cover += 0.8 * np.exp(-(((across - x - 0.4 * wide) / (0.5 * wide)) ** 2) - ((down - y + high) / high) ** 2)
    share = (0.68 * np.clip(cover, 0, 1.0))[..., None]
    return blend_grid(grid, CLOUDS[scene.time], share)


def paint_stars(canvas: Canvas, rng: np.random.Generator) -> None:
    pen, count = canvas.glaze, int(rng.integers(38, 60))
    for x, y, size, shine in rng.uniform(0, 1, size=(count, 4)):
        px, py, radius = (
            x * canvas.width,
            y**1.2 * 0.55 * canvas.height,
            (0.0022 + 0.0036 * size**3) * canvas.unit,
        )
        pen.ellipse(
            (px - radius, py - radius, px + radius, py + radius), fill=(255, 252, 236, int(120 + 135 * shine))
        )


def paint_body(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    x, y, radius = canvas.body[0] * canvas.width, canvas.body[1] * canvas.height, canvas.body[2] * canvas.unit
    paint = BODY_PAINTS[scene.body_colour]
    mask = Image.new("L", canvas.image.size)
    pen = ImageDraw.Draw(mask)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    if scene.body == "crescent moon":
        shift = radius * 0.52
        pen.ellipse(
            (x + shift - radius, y - shift * 0.4 - radius, x + shift + radius, y - shift * 0.4 + radius),
            fill=0,
        )
    canvas.image.paste(mix(paint, paint, 0), (0, 0), mask)
    if scene.body == "sun":
        for share, pale in ((0.86, 0.08), (0.7, 0.16), (0.5, 0.24)):
            core = radius * share
            canvas.pen.ellipse((x - core, y - core, x + core, y + core), fill=mix(paint, (255, 255, 255), pale))
    if scene.body == "full moon":
        paint_craters(canvas, x, y, radius, paint)


def paint_craters(canvas: Canvas, x: float, y: float, radius: float, paint: Colour) -> None:
    for dx, dy, size in ((-0.34, -0.28, 0.3), (0.36, 0.06, 0.24), (-0.12, 0.45, 0.22), (0.16, -0.52, 0.16)):
        r, cx, cy = size * radius, x + dx * radius, y + dy * radius
        canvas.pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill=mix(paint, (60, 60, 90), 0.36))


def paint_rain(canvas: Canvas, rng: np.random.Generator) -> None:
    pen, thick = canvas.glaze, max(1, round(0.004 * canvas.unit))
    for x, y, long, faint in rng.uniform(0, 1, size=(70, 4)):
        fall = (0.03 + 0.05 * long) * canvas.height
        px, py = (1.1 * x) * canvas.width, (1.05 * y - 0.05) * canvas.height
        pen.line((px, py, px - 0.3 * fall, py + fall), fill=(214, 222, 234, int(40 + 60 * faint)), width=thick)
