"""Images: jobs that the client waits for, and their pictures in the answer."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from api.context import Context, Ctx
from api.desk.company import FrameStream
from api.desk.orders import offer_of
from api.desk.pictures import convert, read_artifact
from api.openai.bringing import place_with, read_wish
from api.openai.image_frames import image_frames
from api.openai.placing import finish, place
from api.openai.rendering import render_images
from api.routes.artifacts import GUARDED, find_listed
from api.web.body import read_object
from api.web.problems import NotServed
from forms.answers import Rendering
from forms.dialect import edit_wish, image_wish, spelled_out
from forms.pictures import FORMATS
from forms.requests import check_fields
from jobs.errors import FieldFault, InvalidInput, JobNotFound
from jobs.values import Job
from storage.media.artifacts import MEDIA_TYPES

_OF_A_FORM = {
    "output_compression": {"type": "integer"},
    "partial_images": {"type": "integer"},
    "stream": {"type": "boolean"},
}

router = APIRouter(prefix="/images")


@router.post("/generations")
async def generate_images(request: Request, context: Ctx) -> Response:
    """The pictures of one or more jobs, once they are there. A client that goes away finds the jobs at /v1/jobs."""
    body = await read_object(request)
    rendering = _rendering(body)
    jobs = await place(request, context, image_wish(offer_of(context), body))
    return await _answer(request, context, jobs, rendering, "image_generation")


@router.post("/edits")
async def edit_images(request: Request, context: Ctx) -> Response:
    """The same, beginning with pictures that the client sends along."""
    form, files = await read_wish(request, context, "image")
    if not files:
        raise InvalidInput("A parameter is not valid.", [FieldFault("image", "This file is required.")])
    rendering = _rendering({name: spelled_out(value, _OF_A_FORM.get(name, {})) for name, value in form.items()})
    jobs = await place_with(request, context, files, partial(edit_wish, offer_of(context), form))
    return await _answer(request, context, jobs, rendering, "image_edit")


@router.post("/variations")
async def refuse() -> Response:
    raise NotServed("No model here varies a picture without words.")


@router.get("/{key}/{wanted}")
async def get_converted(
    key: str,
    wanted: Literal["png", "jpeg", "webp"],
    context: Ctx,
    output_compression: Annotated[int | None, Query(ge=0, le=100)] = None,
) -> Response:
    """An artifact that is an image, in another format."""
    if await find_listed(context, key) is None or MEDIA_TYPES.get(key.partition(".")[2]) not in FORMATS.values():
        raise JobNotFound("There is no such picture.")
    data = await convert(await read_artifact(context, key), wanted, output_compression)
    return Response(data, media_type=FORMATS[wanted], headers=GUARDED)


async def _answer(
    request: Request, context: Context, jobs: Sequence[Job], rendering: Rendering, verb: str
) -> Response:
    if rendering.stream:
        return FrameStream(image_frames(context, jobs, rendering, verb))
    ended = await finish(request, context, jobs)
    return JSONResponse(await render_images(request, context, ended, rendering))


def _rendering(body: dict[str, Any]) -> Rendering:
    given = {name: value for name, value in body.items() if value is not None}
    return check_fields(Rendering, given, "A parameter is not valid.")
