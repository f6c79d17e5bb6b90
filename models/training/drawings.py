"""Owns the picture that belongs to a scene: composes sky, landforms and subject into one PIL image.

The same seed gives the same composition at every size: positions are fractions, no lot depends on pixels.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from models.training.attributes import NONE, Scene
from models.training.landforms import paint_ground, paint_mountains
from models.training.palette import Canvas, mix
from models.training.sky import paint_body, paint_rain, paint_sky
from models.training.subjects import PAINTERS, paint_island

SUPERSAMPLING = 2
CENTRES = {"left": 0.245, "middle": 0.5, "right": 0.755}
HEIGHTS = {
    "boat": 0.25, "house": 0.2, "tree": 0.28, "forest": 0.24, "cactus": 0.25, "lighthouse": 0.34,
    "pyramid": 0.24, "tent": 0.17, "windmill": 0.31, "castle": 0.27,
}  # fmt: skip


def draw_picture(scene: Scene, seed: int, width: int, height: int) -> Image.Image:
    """Return the RGB drawing of `scene`, in pixels; `seed` decides all that no attribute names."""
    rng = np.random.default_rng(seed)
    canvas = Canvas(width * SUPERSAMPLING, height * SUPERSAMPLING, scene.time)
    horizon = float(rng.uniform(0.58, 0.65))
    paint_sky(canvas, scene, rng, horizon)
    if scene.body != NONE:
        paint_body(canvas, scene, rng)
    if scene.mountains != NONE:
        paint_mountains(canvas, scene.mountains, rng, horizon)
    paint_ground(canvas, scene, rng, horizon)
    if scene.subject != NONE:
        paint_subject(canvas, scene, rng)
    if scene.time == "storm":
        paint_rain(canvas, rng)
    return canvas.image.reduce(SUPERSAMPLING)


def paint_subject(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Paint the subject on a tile of its own, so that the sea can mirror it."""
    centre = CENTRES[scene.subject_place] + float(rng.uniform(-0.045, 0.045))
    foot = float(rng.uniform(0.76, 0.84))
    tall = HEIGHTS[scene.subject] * float(rng.uniform(0.9, 1.15)) * canvas.unit
    side = int(2.2 * tall)
    tile = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(tile)
    PAINTERS[scene.subject](pen, side / 2, side * 0.75, tall, canvas.light, scene.subject_colour, rng)
    left, top = int(centre * canvas.width - side / 2), int(foot * canvas.height - side * 0.75)
    afloat = scene.ground == "sea"
    if afloat:
        mirror_tile(canvas, tile, left, int(foot * canvas.height))
        if scene.subject != "boat":
            paint_island(canvas, centre, foot, tall)
    else:
        cast_shadow(canvas, centre, foot, tall)
    canvas.image.paste(tile, (left, top), tile)


def mirror_tile(canvas: Canvas, tile: Image.Image, left: int, foot: int) -> None:
    """Paint the part of the tile above its foot, flipped, flattened and faint, under the foot."""
    side = tile.width
    above = tile.crop((0, 0, side, int(side * 0.75))).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    flat = above.resize((side, max(1, int(above.height * 0.6))))
    flat.putalpha(flat.getchannel("A").point([int(a * 0.42) for a in range(256)]))
    canvas.image.paste(flat, (left, foot), flat)


def cast_shadow(canvas: Canvas, centre: float, foot: float, tall: float) -> None:
    x, y = centre * canvas.width, foot * canvas.height
    box = (x - 0.45 * tall, y - 0.05 * tall, x + 0.6 * tall, y + 0.075 * tall)
    sample = canvas.image.getpixel((min(max(int(x), 0), canvas.width - 1), min(int(y), canvas.height - 1)))
    assert isinstance(sample, tuple)
    canvas.pen.ellipse(box, fill=mix((float(sample[0]), float(sample[1]), float(sample[2])), (20, 20, 40), 0.28))
