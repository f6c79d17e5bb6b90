"""Fits the linear map that `scenes` shows running jobs with: from latents to a few colours each, by least
squares over pictures the pipeline draws itself. `python -m models.training.preview` writes it into the TOML."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from models.catalog import SHIPPED
from models.training.attributes import draw_scene
from models.training.captions import write_caption
from models.training.export import open_pipeline
from models.training.workspace import WEIGHTS

TOML = SHIPPED / "scenes.toml"
PICTURES, BATCH, STEPS, GUIDANCE, PIXELS = 96, 8, 8, 3.0, 256
SIDE = 2  # pixels a latent, on a side

_SECTION = re.compile(r"^\[preview\].*?(?=^\[)", re.DOTALL | re.MULTILINE)


def draw_pairs(pipeline: Any) -> tuple[np.ndarray, np.ndarray]:
    """Final latents (n, channels, h, w) and their pictures, (n, height, width, 3) from 0 to 1."""
    lots, rng = np.random.default_rng(91), Random(91)
    latents: list[np.ndarray] = []
    pictures: list[np.ndarray] = []

    def keep(_: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if step == STEPS - 1:
            latents.extend(tensors["latents"].numpy().copy())
        return tensors

    for first in range(0, PICTURES, BATCH):
        prompts = [
            write_caption(draw_scene(lots, held_out=False), rng, full=True, noisy=False).text for _ in range(BATCH)
        ]
        generators = [torch.Generator().manual_seed(92_000 + first + i) for i in range(BATCH)]
        drawn = pipeline(
            prompts, num_inference_steps=STEPS, guidance_scale=GUIDANCE, width=PIXELS, height=PIXELS,
            generator=generators, callback_on_step_end=keep,
        ).images  # fmt: skip
        pictures += [np.asarray(picture) / 255 for picture in drawn]
    return np.stack(latents), np.stack(pictures)


def fit_map(latents: np.ndarray, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The map (channels, SIDE · SIDE · 3), pixels line by line, and the offset (3,) that all pixels share."""
    n, channels, rows, columns = latents.shape
    block = pictures.shape[1] // rows // SIDE
    small = pictures.reshape(n, rows * SIDE, block, columns * SIDE, block, 3).mean((2, 4))
    wanted = small.reshape(n, rows, SIDE, columns, SIDE, 3).transpose(0, 1, 3, 2, 4, 5).reshape(-1, SIDE * SIDE * 3)
    seen = latents.transpose(0, 2, 3, 1).reshape(-1, channels)
    fitted, *_ = np.linalg.lstsq(seen - seen.mean(0), wanted - wanted.mean(0), rcond=None)
    offset = (wanted.mean(0) - seen.mean(0) @ fitted).reshape(-1, 3).mean(0)
    return fitted, offset


def measure_map(latents: np.ndarray, pictures: np.ndarray, fitted: np.ndarray, offset: np.ndarray) -> float:
    """PSNR in dB against the pictures, reduced to the map's size."""
    seen = latents.transpose(0, 2, 3, 1)
    n, rows, columns, _ = seen.shape
    painted = (seen @ fitted).reshape(n, rows, columns, SIDE, SIDE, 3) + offset
    block = pictures.shape[1] // rows // SIDE
    small = pictures.reshape(n, rows, SIDE, block, columns, SIDE, block, 3).mean((3, 6))
    return float(-10 * np.log10(((painted.clip(0, 1) - small.transpose(0, 1, 3, 2, 4, 5)) ** 2).mean()))


def write_section(fitted: np.ndarray, offset: np.ndarray) -> str:
    rows = "".join(f"    [{', '.join(f'{number:.3f}' for number in row)}],\n" for row in fitted)
    return (
        f"[preview]  # fitted by models/training/preview.py: {SIDE} × {SIDE} pixels for each latent\n"
        f"offset = [{', '.join(f'{number:.3f}' for number in offset)}]\n"
        f"rgb = [\n{rows}]\n\n"
    )


def write_toml(toml: Path, section: str) -> None:
    """Put the section in the place of the last one, or before [input]."""
    text = _SECTION.sub("", toml.read_text("utf-8"))
    toml.write_text(text.replace("[input]\n", f"{section}[input]\n", 1), "utf-8")


def fit_preview(folder: Path) -> None:
    """Fit on three quarters of the pictures, tell how good it is on the rest, write it."""
    latents, pictures = draw_pairs(open_pipeline(folder))
    seen = PICTURES * 3 // 4
    fitted, offset = (numbers.round(3) + 0.0 for numbers in fit_map(latents[:seen], pictures[:seen]))
    print(f"{measure_map(latents[seen:], pictures[seen:], fitted, offset):.1f} dB on pictures not seen")
    write_toml(TOML, write_section(fitted, offset))


if __name__ == "__main__":
    fit_preview(WEIGHTS)
