"""Images as a stream: what the picture looks like so far, then the picture."""

import base64
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from api.company import STILL_HERE, views_of
from api.context import Context
from api.openai.errors import error_document
from api.openai.placing import check_ended
from api.openai.rendering import encoded
from api.pictures import convert
from api.problems import NotFinished, problem_of
from api.views import View
from forms.answers import NO_TOKENS, Rendering, appearance
from jobs.errors import SafelightError
from jobs.values import Job, Output

_END = "data: [DONE]\n\n"


async def image_frames(context: Context, jobs: Sequence[Job], rendering: Rendering, verb: str) -> AsyncGenerator[str]:
    """The frames of an answer with `stream`; `verb` is image_generation or image_edit. Partial images are of the
    first job."""
    try:
        for job in jobs:
            partial_images = rendering.partial_images if job is jobs[0] else 0
            async with aclosing(_frames_of(context, job.id, rendering, partial_images, verb)) as frames:
                async for frame in frames:
                    yield frame
    except SafelightError as error:
        yield f"data: {json.dumps(error_document(error, problem_of(error)[0]))}\n\n"
    yield _END


async def _frames_of(
    context: Context, job_id: str, rendering: Rendering, partial_images: int, verb: str
) -> AsyncGenerator[str]:
    told, shown = 0, -1
    async with aclosing(views_of(context, job_id, looks=partial_images > 0)) as views:
        async for view in views:
            if view is None:
                yield STILL_HERE
            elif view.job.final:
                check_ended(view.job)
                for output in view.job.outputs:
                    yield await _completed(context, view.job, output, rendering, verb)
                return
            elif _is_due(view, told, shown, partial_images) and (jpeg := await context.previews.get(job_id)):
                shown = view.progress.preview if view.progress and view.progress.preview else shown
                yield await _partial(view.job, jpeg, told, rendering, verb)
                told += 1
    raise NotFinished("This server is being stopped; the job goes on.")


def _is_due(view: View, told: int, shown: int, most: int) -> bool:
    """Partial images are spread over the run: the first picture's noise is not worth one."""
    progress = view.progress
    if told >= most or progress is None or not progress.preview or progress.preview <= shown:
        return False
    return progress.fraction >= (told + 1) / (most + 1)


async def _partial(job: Job, jpeg: bytes, index: int, rendering: Rendering, verb: str) -> str:
    """A preview, much smaller than the picture to come."""
    wanted = rendering.output_format or "png"
    data = jpeg if wanted == "jpeg" else await convert(jpeg, wanted)
    fields = {
        "partial_image_index": index,
        "b64_json": base64.b64encode(data).decode(),
        "size": "auto",
        "output_format": wanted,
        "background": "opaque",
        "quality": "auto",
    }
    return _frame(f"{verb}.partial_image", job, fields)


async def _completed(context: Context, job: Job, output: Output, rendering: Rendering, verb: str) -> str:
    picture = {"b64_json": await encoded(context, output, rendering), **appearance(output, rendering)}
    return _frame(f"{verb}.completed", job, {**picture, "usage": NO_TOKENS, "seed": output.seed})


def _frame(kind: str, job: Job, fields: dict[str, Any]) -> str:
    data = {"type": kind, "created_at": int(job.created_at.timestamp()), "job_id": job.id, **fields}
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"
