"""Pictures for the answer: their bytes read, and put into the format that is wanted, beside the event loop."""

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import Request

from api.context import Context
from api.desk.pictures import origin_of, read_artifact
from forms.answers import Rendering, encode, images_document
from jobs.values import Job, Output


async def render_images(
    request: Request, context: Context, jobs: Sequence[Job], rendering: Rendering
) -> dict[str, Any]:
    """The answer to images/generations. Raises: JobNotFound, when a picture is no more."""
    outputs = [output for job in jobs for output in job.outputs] if rendering.wants_bytes else []
    in_base64 = {output.key: await encoded(context, output, rendering) for output in outputs}
    return images_document(jobs, rendering, origin_of(request), in_base64)


async def encoded(context: Context, output: Output, rendering: Rendering) -> str:
    """The picture in base64. Raises: JobNotFound, when it is no more."""
    return await asyncio.to_thread(encode, await read_artifact(context, output.key), output, rendering)
