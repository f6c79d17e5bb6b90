"""Outputs on their way out: their addresses, and images in another format where that is asked for."""

import io
from typing import Any

from jobs.values import Output

FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}

_QUALITY = 95


def address_of(output: Output, origin: str) -> str:
    """Where a client that found us at `origin`, such as http://127.0.0.1:8000, finds the output."""
    return f"{origin}/v1/artifacts/{output.key}"


def is_convertible(media_type: str, wanted: str | None) -> bool:
    """Whether it is an image, and another format is wanted than it has."""
    return wanted is not None and media_type in FORMATS.values() and FORMATS[wanted] != media_type


def convert_image(data: bytes, wanted: str, quality: int | None = None, side: int | None = None) -> bytes:
    """The same image in one of the FORMATS; quality from 0 to 100, for those that lose something. No side of it is
    longer than `side`."""
    from PIL import Image  # here: who starts, starts without it

    made = io.BytesIO()
    options: dict[str, Any] = {} if wanted == "png" else {"quality": _QUALITY if quality is None else quality}
    with Image.open(io.BytesIO(data)) as image:
        shown = image.convert("RGB") if wanted == "jpeg" else image
        if side:
            shown.thumbnail((side, side))
        shown.save(made, wanted.upper(), **options)
    return made.getvalue()
