"""Outputs on their way out: their bytes, in another image format where that is asked for, and their addresses."""

import asyncio
import base64
import io
from typing import Any

from fastapi import Request
from PIL import Image

from api.context import Context
from jobs.errors import JobNotFound
from jobs.values import Output

FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}

_QUALITY = 95


def origin_of(request: Request) -> str:
    """Where this client found us, such as http://127.0.0.1:8000."""
    return f"{request.url.scheme}://{request.url.netloc}"


def address_of(output: Output, origin: str) -> str:
    return f"{origin}/v1/artifacts/{output.key}"


async def read_artifact(context: Context, key: str) -> bytes:
    """Raises: JobNotFound, when the bytes are no more: their job was deleted."""
    return await asyncio.to_thread(_read, context, key)


def data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def is_convertible(media_type: str, wanted: str | None) -> bool:
    """Whether it is an image, and another format is wanted than it has."""
    return wanted is not None and media_type in FORMATS.values() and FORMATS[wanted] != media_type


async def convert(data: bytes, wanted: str, quality: int | None = None) -> bytes:
    """The same image in one of the FORMATS; quality from 0 to 100, for those that lose something."""
    return await asyncio.to_thread(_convert, data, wanted, quality)


def _read(context: Context, key: str) -> bytes:
    path = context.artifacts.find(key)
    try:
        if path is not None:
            return path.read_bytes()
    except FileNotFoundError:  # swept in this moment
        pass
    raise JobNotFound("The job was deleted, and its output with it.")


def _convert(data: bytes, wanted: str, quality: int | None) -> bytes:
    made = io.BytesIO()
    options: dict[str, Any] = {} if wanted == "png" else {"quality": _QUALITY if quality is None else quality}
    with Image.open(io.BytesIO(data)) as image:
        opaque = image.convert("RGB") if wanted == "jpeg" else image
        opaque.save(made, wanted.upper(), **options)
    return made.getvalue()
