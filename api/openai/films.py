"""Stills of a film: its first frame, and a sheet of frames from all of it."""

import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_COLUMNS = 4
_TILES = _COLUMNS * _COLUMNS
_TILE_WIDTH = 160


class NoFilm(Exception):
    """There is no picture in this file."""


def thumbnail(film: Path) -> bytes:
    """WebP. Raises: NoFilm."""
    return _encoded(next(_frames(film, 1)), "WEBP")


def spritesheet(film: Path) -> bytes:
    """JPEG: sixteen frames in four rows, from the first to one near the end. Raises: NoFilm."""
    from PIL import Image  # here, as below: who starts, starts without it

    tiles = [_shrunk(frame) for frame in islice(_frames(film, _TILES), _TILES)]
    width, height = tiles[0].size
    sheet = Image.new("RGB", (width * _COLUMNS, height * -(-len(tiles) // _COLUMNS)))
    for place, tile in enumerate(tiles):
        sheet.paste(tile, (place % _COLUMNS * width, place // _COLUMNS * height))
    return _encoded(sheet, "JPEG")


def _frames(film: Path, wanted: int) -> "Iterator[Image]":
    """So many frames from all over the film, and then perhaps more; at least one. Raises: NoFilm."""
    import av  # twenty megabytes, for what few ask for

    number = -1
    try:
        with av.open(str(film)) as container:
            every = max(1, container.streams.video[0].frames // wanted)
            for number, frame in enumerate(container.decode(video=0)):
                if number % every == 0:
                    yield frame.to_image()  # type: ignore[no-untyped-call]
    except (av.FFmpegError, IndexError) as fault:
        raise NoFilm from fault
    if number < 0:
        raise NoFilm


def _shrunk(frame: "Image") -> "Image":
    return frame.resize((_TILE_WIDTH, max(1, _TILE_WIDTH * frame.height // frame.width)))


def _encoded(image: "Image", form: str) -> bytes:
    made = io.BytesIO()
    image.save(made, form, quality=85)
    return made.getvalue()
