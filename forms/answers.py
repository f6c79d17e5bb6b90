"""What has become of a job, in OpenAI's words: the other direction of `forms.dialect`."""

import base64
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from forms.pictures import FORMATS, address_of, convert_image, is_convertible
from jobs.document import shown_progress
from jobs.values import Job, Output, Progress, Status

NO_TOKENS = {
    "input_tokens": 0,
    "output_tokens": 0,
    "total_tokens": 0,
    "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
}

# The client of videos waits while it reads one of the first two, and knows no word for a canceled one.
_STATUSES = {
    Status.WAITING: "queued",
    Status.QUEUED: "queued",
    Status.RUNNING: "in_progress",
    Status.SUCCEEDED: "completed",
    Status.FAILED: "failed",
    Status.CANCELED: "failed",
    Status.EXPIRED: "failed",
}


class Rendering(BaseModel):
    """The parameters of images that are about the answer, not about the picture."""

    model_config = ConfigDict(extra="ignore", strict=True)

    response_format: Literal["url", "b64_json"] | None = None
    output_format: Literal["png", "webp", "jpeg"] | None = None
    output_compression: Annotated[int | None, Field(ge=0, le=100)] = None
    stream: bool = False
    partial_images: Annotated[int, Field(ge=0, le=3)] = 0

    @property
    def wants_bytes(self) -> bool:
        """Who did not say how gets both, the bytes and the address."""
        return self.response_format != "url"


def images_document(
    jobs: Sequence[Job], rendering: Rendering, origin: str, encoded: Mapping[str, str]
) -> dict[str, Any]:
    """The answer to images/generations. `encoded`: the pictures in base64 by their keys, where bytes are wanted."""
    outputs = [output for job in jobs for output in job.outputs]
    data = []
    for output in outputs:
        shown: dict[str, Any] = {"seed": output.seed}
        if rendering.response_format != "b64_json":
            shown["url"] = _address(output, origin, rendering)
        if rendering.wants_bytes:
            shown["b64_json"] = encoded[output.key]
        data.append(shown)
    return {
        "created": int(jobs[0].created_at.timestamp()),
        "data": data,
        **appearance(outputs[0], rendering),
        "usage": NO_TOKENS,
        "job_id": jobs[0].id,
        "job_ids": [job.id for job in jobs],
    }


def encode(data: bytes, output: Output, rendering: Rendering) -> str:
    """The picture in base64, in the format that is wanted."""
    if rendering.output_format and is_convertible(output.media_type, rendering.output_format):
        data = convert_image(data, rendering.output_format, rendering.output_compression)
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


def video_document(job: Job, progress: Progress | None) -> dict[str, Any]:
    """A job as a video. `seconds` and `size` are those of the film once it is there, before that those asked for."""
    return {
        "id": job.id,
        "object": "video",
        "model": job.model,
        "status": _STATUSES[job.status],
        "progress": int(100 * shown_progress(job, progress)),
        "created_at": int(job.created_at.timestamp()),
        "completed_at": int(job.finished_at.timestamp()) if job.finished_at else None,
        "expires_at": None,
        "seconds": _seconds(job),
        "size": _size(job),
        "prompt": job.input.get("prompt"),
        "remixed_from_video_id": None,
        "error": _error(job),
    }


def _address(output: Output, origin: str, rendering: Rendering) -> str:
    wanted = rendering.output_format
    if wanted is None or not is_convertible(output.media_type, wanted):
        return address_of(output, origin)
    quality = "" if rendering.output_compression is None else f"?output_compression={rendering.output_compression}"
    return f"{origin}/openai/v1/images/{output.key}/{wanted}{quality}"


def _seconds(job: Job) -> str:
    made = job.outputs[0].duration_s if job.outputs else None
    seconds = job.input.get("seconds") if made is None else made
    return "" if seconds is None else f"{seconds:g}"


def _size(job: Job) -> str:
    if job.outputs and job.outputs[0].width:
        return f"{job.outputs[0].width}x{job.outputs[0].height}"
    width, height = job.input.get("width"), job.input.get("height")
    return f"{width}x{height}" if width and height else "auto"


def _error(job: Job) -> dict[str, Any] | None:
    if job.status is Status.CANCELED:
        return {"code": "cancelled", "message": "The job was canceled."}
    if job.status is Status.EXPIRED:
        return {"code": "expired", "message": "The job was not started by its deadline."}
    if job.status is Status.FAILED and job.error:
        return {"code": job.error.code, "message": job.error.message}
    return None
