"""The contact sheet: pictures with their prompts beneath, drawn through the shipped files."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from models.training.judge import paint_prompts

PROMPTS = (
    "a red sun over purple mountains by the sea at dusk, a sailing boat on the left",
    "winter night, crescent moon, pine forest on the right",
    "a lighthouse in a thunderstorm",
    "sunrise over the desert with a pyramid on the left",
    "a red house on a green meadow, white mountains, blue sky",
    "a pyramid on a snowy field",
    "a blue tent under the stars, full moon on the left",
    "windmill and an orange sun in the middle, evening, countryside",
    "a castle by the sea in the morning, yellow sun on the right",
    "cactus on the left, red mountains, noon, big sun on the right",
    "a ship with yellow sails at night under a blue moon",
    "lonely tree at sunset",
)
COLUMNS, SIDE, CAPTION, GAP = 4, 176, 34, 8


def draw_sheet(pipeline: Any, path: Path, seed: int = 7) -> None:
    """Write the sheet as a true-colour PNG: a palette would show steps in the skies."""
    pictures = paint_prompts(pipeline, PROMPTS, seed)
    rows = -(-len(PROMPTS) // COLUMNS)
    size = (COLUMNS * (SIDE + GAP) + GAP, rows * (SIDE + CAPTION + GAP) + GAP)
    sheet, font = Image.new("RGB", size, (250, 250, 250)), ImageFont.load_default(10)
    pen = ImageDraw.Draw(sheet)
    for i, (prompt, picture) in enumerate(zip(PROMPTS, pictures, strict=True)):
        x, y = GAP + i % COLUMNS * (SIDE + GAP), GAP + i // COLUMNS * (SIDE + CAPTION + GAP)
        sheet.paste(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x, y))
        for line, words in enumerate(textwrap.wrap(prompt, 34)[:3]):
            pen.text((x, y + SIDE + 2 + 11 * line), words, fill=(60, 60, 60), font=font)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True)
