"""Outputs on their way out: their bytes, in another image format where that is asked for, and their addresses."""

import asyncio
import base64

from fastapi import Request

from api.context import Context
from forms.pictures import convert_image
from jobs.errors import JobNotFound


def origin_of(request: Request) -> str:
    """Where this client found us, such as http://127.0.0.1:8000."""
    return f"{request.url.scheme}://{request.url.netloc}"


async def read_artifact(context: Context, key: str) -> bytes:
    """Raises: JobNotFound, when the bytes are no more: their job was deleted."""
    return await asyncio.to_thread(_read, context, key)


def data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


async def convert(data: bytes, wanted: str, quality: int | None = None, side: int | None = None) -> bytes:
    """See `convert_image`."""
    return await asyncio.to_thread(convert_image, data, wanted, quality, side)


def _read(context: Context, key: str) -> bytes:
    path = context.artifacts.find(key)
    try:
        if path is not None:
            return path.read_bytes()
    except FileNotFoundError:  # swept in this moment
        pass
    raise JobNotFound("The job was deleted, and its output with it.")
