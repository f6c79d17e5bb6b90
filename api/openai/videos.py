"""Videos: jobs of a video model, for a client that polls. Any job can be looked at as one."""

import asyncio
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from api.context import TENANT, Context, Ctx
from api.desk import orders
from api.desk.orders import known_id, offer_of
from api.openai.bringing import place_with, read_wish
from api.openai.films import NoFilm, spritesheet, thumbnail
from api.openai.pages import page_document
from api.openai.placing import place
from api.routes.artifacts import GUARDED, find_listed
from api.web.body import read_object
from api.web.downloads import Download
from api.web.multipart import is_form
from api.web.problems import NotServed
from forms.answers import video_document
from forms.dialect import video_wish
from jobs.errors import Conflict, JobNotFound
from jobs.values import Job, Status

_POLL_MOST_MS, _POLL_LEAST_MS = 5_000, 250
_POLLS_A_JOB = 20
_STILLS = {"thumbnail": (thumbnail, "image/webp"), "spritesheet": (spritesheet, "image/jpeg")}

router = APIRouter(prefix="/videos")


@router.post("")
async def create_video(request: Request, context: Ctx) -> Response:
    """Answered as soon as the job is committed."""
    if is_form(request):
        form, files = await read_wish(request, context, "input_reference")
        (job,) = await place_with(request, context, files, partial(video_wish, offer_of(context), form))
    else:
        (job,) = await place(request, context, video_wish(offer_of(context), await read_object(request)))
    return JSONResponse(_document(context, job))


@router.get("")
async def list_videos(
    context: Ctx,
    after: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> Response:
    """The jobs of all video models."""
    names = sorted({entry.name for entry in context.catalog.entries() if entry.media_kind == "video"})
    found = await asyncio.to_thread(
        _listed, context, names, known_id(after) if after else None, limit + 1, order == "asc"
    )
    return JSONResponse(page_document([_document(context, job) for job in found], limit))


@router.get("/{video_id}")
async def get_video(video_id: str, context: Ctx) -> Response:
    job = await context.lookup.get(known_id(video_id), TENANT)
    await context.forecast.look(job)
    return JSONResponse(_document(context, job), headers=_poll_after(context, job))


@router.delete("/{video_id}")
async def delete_video(video_id: str, context: Ctx) -> Response:
    """Forget the finished job and the film that only it lists."""
    await asyncio.to_thread(context.store.delete, known_id(video_id), TENANT)
    context.bus.changed()
    return JSONResponse({"id": video_id, "object": "video.deleted", "deleted": True})


@router.post("/{video_id}/cancel")
async def cancel_video(video_id: str, context: Ctx) -> Response:
    """An addition of ours: the client has no call for it."""
    return JSONResponse(_document(context, await orders.cancel(context, video_id)))


@router.get("/{video_id}/content")
async def get_content(
    video_id: str, context: Ctx, variant: Literal["video", "thumbnail", "spritesheet"] = "video"
) -> Response:
    """The film itself, or stills of it: its first frame as WebP, sixteen frames in one JPEG."""
    job = await context.lookup.get(known_id(video_id), TENANT)
    if job.status is not Status.SUCCEEDED:
        raise Conflict(f"There is no film: the job is {job.status}.")
    path = await find_listed(context, job.outputs[0].key) if job.outputs else None
    if path is None:
        raise JobNotFound("The film is no more.")
    if variant == "video":
        return Download(path, media_type=job.outputs[0].media_type, headers=GUARDED)
    draw, media_type = _STILLS[variant]
    try:
        return Response(await asyncio.to_thread(draw, path), media_type=media_type, headers=GUARDED)
    except (NoFilm, OSError) as fault:
        raise JobNotFound(f"There is no {variant} of this.") from fault


@router.post("/edits")
@router.post("/extensions")
@router.post("/characters")
@router.post("/{video_id}/remix")
async def refuse(video_id: str = "") -> Response:
    raise NotServed("No model here changes a film: create another one.")


def _listed(context: Context, models: list[str], after: str | None, limit: int, oldest_first: bool) -> list[Job]:
    """A walk along an index for each model, then merged."""
    before, beyond = (None, after) if oldest_first else (after, None)
    found: list[Job] = []
    for model in models:
        found += context.store.list(
            TENANT, model=model, before_id=before, after_id=beyond, limit=limit, oldest_first=oldest_first
        )
    return sorted(found, key=lambda job: job.id, reverse=not oldest_first)[:limit]


def _document(context: Context, job: Job) -> dict[str, Any]:
    return video_document(job, context.follower.view(job).progress)


def _poll_after(context: Context, job: Job) -> dict[str, Any]:
    """The client obeys the first of these for ever: a twentieth of the time that is left, as far as we know it."""
    place = context.follower.view(job).place
    wait_ms = (place.eta_s * 1000 / _POLLS_A_JOB) if place and place.eta_s is not None else 1_000
    return {"openai-poll-after-ms": str(int(min(max(wait_ms, _POLL_LEAST_MS), _POLL_MOST_MS)))}
