"""The drawings the networks learn from, in four formats, drawn once and kept as memory-mapped arrays.

Every format is drawn at `scale` 1 or 2; scale 2 is what the decoder paints, scale 1 what the encoder sees.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from models.training.attributes import Scene, draw_scene
from models.training.drawings import draw_picture

PORTION = 250


@dataclass(frozen=True)
class Album:
    """`pictures` drawings of `width` x `height`; the seed of the i-th is `seed` + i."""

    name: str
    pictures: int
    width: int
    height: int
    seed: int
    held_out: bool = False


ALBUMS = (
    Album("square", 40_000, 128, 128, 1_000_000),
    Album("small", 5_000, 64, 64, 2_000_000),
    Album("wide", 6_000, 192, 128, 3_000_000),
    Album("tall", 4_000, 128, 192, 4_000_000),
    Album("large", 5_000, 256, 256, 5_000_000),
    Album("large-small", 1_000, 128, 128, 6_000_000),
    Album("exam", 1_000, 128, 128, 8_000_000, held_out=True),
    Album("proof", 256, 256, 256, 7_000_000, held_out=True),
)


def draw_portion(album: Album, first: int) -> tuple[np.ndarray, list[dict[str, str]]]:
    pictures, scenes = [], []
    for i in range(first, min(first + PORTION, album.pictures)):
        scene = draw_scene(np.random.default_rng(album.seed + i), album.held_out)
        pictures.append(np.asarray(draw_picture(scene, album.seed + i, album.width, album.height)))
        scenes.append(scene.describe())
    return np.stack(pictures), scenes


def draw_album(album: Album, workspace: Path, processes: int = 2) -> None:
    """Draw the whole album unless it is there; the scene list is written last and marks it complete."""
    listing = workspace / f"{album.name}.json"
    if listing.exists():
        return
    shape = (album.pictures, album.height, album.width, 3)
    array = np.lib.format.open_memmap(workspace / f"{album.name}.npy", mode="w+", dtype=np.uint8, shape=shape)
    scenes: list[dict[str, str]] = []
    firsts = range(0, album.pictures, PORTION)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for first, (pictures, named) in zip(
            firsts, pool.map(draw_portion, [album] * len(firsts), firsts), strict=True
        ):
            array[first : first + len(pictures)] = pictures
            scenes += named
    array.flush()
    listing.write_text(json.dumps(scenes))


def open_album(name: str, workspace: Path) -> tuple[Any, list[Scene]]:
    """The pictures (n, height, width, 3) uint8, memory-mapped, and their scenes."""
    scenes = [Scene(**fields) for fields in json.loads((workspace / f"{name}.json").read_text())]
    return np.load(workspace / f"{name}.npy", mmap_mode="r"), scenes
