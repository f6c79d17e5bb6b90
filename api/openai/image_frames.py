"""Images as a stream: what the picture looks like so far, then the picture."""

import base64
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from api.context import Context
from api.desk.company import STILL_HERE, views_of
from api.desk.pictures import convert, read_artifact
from api.openai.errors import error_document
from api.openai.placing import check_ended
from api.openai.rendering import encoded
from api.watch.views import View
from api.web.problems import NotFinished, problem_of
from forms.answers import NO_TOKENS, Rendering, appearance
from forms.pictures import FORMATS
from jobs.errors import SafelightError
from jobs.values import Job, Output

_SIDE = 128  # as our previews have it
_END = "data: [DONE]\n\n"


async def image_frames(context: Context, jobs: Sequence[Job], rendering: Rendering, verb: str) -> AsyncGenerator[str]:
    """The frames of an answer with `stream`; `verb` is image_generation or image_edit. Partial images are of the
    first job."""
    teller = _Teller(context, rendering, verb)
    try:
        for job in jobs:
            async with aclosing(teller.tell(job.id, rendering.partial_images if job is jobs[0] else 0)) as frames:
                async for frame in frames:
                    yield frame
    except SafelightError as error:
        yield f"data: {json.dumps(error_document(error, problem_of(error)[0]))}\n\n"
    yield _END


@dataclass(frozen=True, slots=True)
class _Teller:
    """Tells of jobs in frames, as one client wants them."""

    context: Context
    rendering: Rendering
    verb: str

    async def tell(self, job_id: str, partial_images: int) -> AsyncGenerator[str]:
        told, shown, previews = 0, 0, self.context.previews
        async with aclosing(views_of(self.context, job_id, looks=partial_images > 0)) as views:
            async for view in views:
                if view is None:
                    yield STILL_HERE
                elif view.job.final:
                    check_ended(view.job)
                    for frame in await self._end(view.job, partial_images > told == 0):
                        yield frame
                    return
                elif (step := _due(view, told, shown, partial_images)) and (jpeg := await previews.get(job_id)):
                    shown = step
                    yield await self._partial(view.job, jpeg, told)
                    told += 1
        raise NotFinished("This server is being stopped; the job goes on.")

    async def _end(self, job: Job, lacks_partial: bool) -> list[str]:
        """Scripts that ask for partial images count on one: of a job that was too quick for previews it is the
        picture itself, small."""
        frames = []
        if lacks_partial and job.outputs[0].media_type in FORMATS.values():
            picture = await read_artifact(self.context, job.outputs[0].key)
            frames.append(await self._partial(job, picture, 0))
        return frames + [await self._completed(job, output) for output in job.outputs]

    async def _partial(self, job: Job, picture: bytes, index: int) -> str:
        wanted = self.rendering.output_format or "png"
        fields = {
            "partial_image_index": index,
            "b64_json": base64.b64encode(await convert(picture, wanted, side=_SIDE)).decode(),
            "size": "auto",
            "output_format": wanted,
            "background": "opaque",
            "quality": "auto",
        }
        return self._frame("partial_image", job, fields)

    async def _completed(self, job: Job, output: Output) -> str:
        picture = {"b64_json": await encoded(self.context, output, self.rendering), "usage": NO_TOKENS}
        return self._frame("completed", job, {**picture, **appearance(output, self.rendering), "seed": output.seed})

    def _frame(self, noun: str, job: Job, fields: dict[str, Any]) -> str:
        kind = f"{self.verb}.{noun}"
        data = {"type": kind, "created_at": int(job.created_at.timestamp()), "job_id": job.id, **fields}
        return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


def _due(view: View, told: int, shown: int, most: int) -> int:
    """The step of a preview that is worth telling now; 0: of none. They are spread over the run: the noise of its
    beginning is not worth one."""
    progress = view.progress
    step = progress.preview or 0 if progress else 0
    late = progress is not None and progress.fraction >= (told + 1) / (most + 1)
    return step if late and step > shown and told < most else 0
