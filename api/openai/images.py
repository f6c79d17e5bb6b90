"""Images: jobs that the client waits for, and their pictures in the answer."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from api.artifacts import GUARDED, find_listed
from api.body import read_object
from api.company import FrameStream
from api.context import Ctx
from api.openai.image_frames import image_frames
from api.openai.placing import finish, place
from api.openai.rendering import render_images
from api.pictures import convert, read_artifact
from api.problems import NotServed
from forms.answers import Rendering
from forms.dialect import image_wish
from forms.pictures import FORMATS
from forms.requests import check_fields
from jobs.errors import JobNotFound
from storage.artifacts import MEDIA_TYPES

router = APIRouter(prefix="/images")


@router.post("/generations")
async def generate_images(request: Request, context: Ctx) -> Response:
    """The pictures of one or more jobs, once they are there. A client that goes away finds the jobs at /v1/jobs."""
    body = await read_object(request)
    rendering = _rendering(body)
    jobs = await place(request, context, image_wish(context.catalog, body))
    if rendering.stream:
        return FrameStream(image_frames(context, jobs, rendering))
    ended = await finish(request, context, jobs)
    return JSONResponse(await render_images(request, context, ended, rendering))


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


def _rendering(body: dict[str, Any]) -> Rendering:
    given = {name: value for name, value in body.items() if value is not None}
    return check_fields(Rendering, given, "A parameter is not valid.")
