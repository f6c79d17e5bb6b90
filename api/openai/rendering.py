"""How a client wants its pictures: in the answer or behind an address, and in which format."""

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from api.context import Context
from api.pictures import FORMATS, address_of, convert, is_convertible, origin_of, read_artifact
from jobs.values import Job, Output

NO_TOKENS = {
    "input_tokens": 0,
    "output_tokens": 0,
    "total_tokens": 0,
    "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
}


class Rendering(BaseModel):
    """The parameters of images that are about the answer, not about the picture."""

    model_config = ConfigDict(extra="ignore", strict=True)

    response_format: Literal["url", "b64_json"] | None = None
    output_format: Literal["png", "webp", "jpeg"] | None = None
    output_compression: Annotated[int | None, Field(ge=0, le=100)] = None
    stream: bool = False
    partial_images: Annotated[int, Field(ge=0, le=3)] = 0


async def images_document(
    request: Request, context: Context, jobs: Sequence[Job], rendering: Rendering
) -> dict[str, Any]:
    """The answer to images/generations. Who did not say how gets both, the bytes and the address."""
    outputs = [output for job in jobs for output in job.outputs]
    data = []
    for output in outputs:
        shown: dict[str, Any] = {"seed": output.seed}
        if rendering.response_format != "b64_json":
            shown["url"] = _address(output, origin_of(request), rendering)
        if rendering.response_format != "url":
            shown["b64_json"] = await encoded(context, output, rendering)
        data.append(shown)
    return {
        "created": int(jobs[0].created_at.timestamp()),
        "data": data,
        **appearance(outputs[0], rendering),
        "usage": NO_TOKENS,
        "job_id": jobs[0].id,
        "job_ids": [job.id for job in jobs],
    }


async def encoded(context: Context, output: Output, rendering: Rendering) -> str:
    """The picture in base64. Raises: JobNotFound, when it is no more."""
    data = await read_artifact(context, output.key)
    wanted = rendering.output_format
    if wanted and is_convertible(output.media_type, wanted):
        data = await convert(data, wanted, rendering.output_compression)
    return base64.b64encode(data).decode()


def appearance(output: Output, rendering: Rendering) -> dict[str, Any]:
    """What the picture is like in truth, whatever was asked."""
    made = next((name for name, media_type in FORMATS.items() if media_type == output.media_type), "png")
    return {
        "size": f"{output.width}x{output.height}",
        "output_format": rendering.output_format or made,
        "background": "opaque",
        "quality": "auto",
    }


def _address(output: Output, origin: str, rendering: Rendering) -> str:
    wanted = rendering.output_format
    if wanted is None or not is_convertible(output.media_type, wanted):
        return address_of(output, origin)
    quality = "" if rendering.output_compression is None else f"?output_compression={rendering.output_compression}"
    return f"{origin}/openai/v1/images/{output.key}/{wanted}{quality}"
