"""Predictions: create, read, cancel, list, stream."""

import asyncio
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from api.context import TENANT, Context, Ctx
from api.desk import orders
from api.desk.company import FrameStream, see_off
from api.desk.orders import known_id, offer_of
from api.desk.pictures import origin_of
from api.replicate.files import with_references
from api.replicate.frames import prediction_frames
from api.replicate.outputs import shown_outputs
from api.replicate.references import version_named
from api.watch.waiting import preferred_wait
from api.web.body import read_object
from api.web.paging import decode_cursor, encode_cursor
from forms.requests import check_fields
from jobs.document import Document
from jobs.errors import FieldFault, InvalidInput
from jobs.prediction import STARTING, prediction_document
from jobs.values import Job
from models.entry import Entry

_PAGE = 100
_CANCEL_S = 5.0
_MARGIN_S = 0.75  # the client hangs up half a second after the wait it asked for

# `output` comes with the end here; of logs nobody is told: progress is not committed.
_EVENTS = {"start": "started", "output": "completed", "logs": None, "completed": "completed"}


class PredictionRequest(BaseModel):
    """The body of POST /v1/predictions."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: str | None = None
    input: dict[str, Any] = {}
    webhook: str | None = None
    webhook_completed: str | None = None  # what the parameter was called before
    webhook_events_filter: Annotated[list[Literal["start", "output", "logs", "completed"]], Field(max_length=4)] = [
        "start",
        "output",
        "logs",
        "completed",
    ]
    stream: bool = False  # every prediction can be streamed


router = APIRouter()


@router.post("/predictions")
async def create_prediction(request: Request, context: Ctx) -> Response:
    wanted = await _wanted(request)
    if wanted.version is None:
        raise InvalidInput("The prediction is not valid.", [FieldFault("version", "This field is required.")])
    entry = version_named(context.catalog, wanted.version)
    return await _create(request, context, entry.full_name, entry, wanted)


@router.post("/models/{owner}/{name}/predictions")
@router.post("/deployments/{owner}/{name}/predictions")
async def create_prediction_of_model(owner: str, name: str, request: Request, context: Ctx) -> Response:
    """By the model's newest version, or as an alias has it."""
    entry = offer_of(context).find(name)
    return await _create(request, context, name, entry, await _wanted(request))


@router.get("/predictions")
async def list_predictions(
    request: Request, context: Ctx, cursor: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    """Newest first; every job is one."""
    before_id = decode_cursor(cursor) if cursor else None
    jobs = await asyncio.to_thread(context.store.list, TENANT, before_id=before_id, limit=_PAGE + 1)
    page, origin = jobs[:_PAGE], origin_of(request)
    more = f"{origin}/replicate/v1/predictions?cursor={encode_cursor(page[-1].id)}" if len(jobs) > _PAGE else None
    results = [prediction_document(job, origin, context.follower.view(job).progress) for job in page]
    return JSONResponse({"previous": None, "next": more, "results": results})


@router.get("/predictions/{job_id}")
async def get_prediction(job_id: str, request: Request, context: Ctx) -> Response:
    job = await context.lookup.get(known_id(job_id), TENANT)
    return JSONResponse(await _document(request, context, job))


@router.post("/predictions/{job_id}/cancel")
async def cancel_prediction(job_id: str, request: Request, context: Ctx) -> Response:
    """Answered once the running job has stopped, at its next denoising step, if that is soon."""
    job = await orders.cancel(context, job_id)
    (job,) = await see_off(request, context, [job], _CANCEL_S)
    return JSONResponse(await _document(request, context, job))


@router.get("/predictions/{job_id}/stream")
async def stream_prediction(job_id: str, request: Request, context: Ctx) -> Response:
    job = await context.lookup.get(known_id(job_id), TENANT)
    return FrameStream(prediction_frames(context, job.id, origin_of(request)))


async def _wanted(request: Request) -> PredictionRequest:
    body = {name: value for name, value in (await read_object(request)).items() if value is not None}
    return check_fields(PredictionRequest, body, "The prediction is not valid.")


async def _create(
    request: Request, context: Context, model: str, entry: Entry, wanted: PredictionRequest
) -> Response:
    body: dict[str, Any] = {"model": model, "input": with_references(wanted.input, entry, origin_of(request))}
    url = wanted.webhook or wanted.webhook_completed
    events = ["completed"] if not wanted.webhook else [_EVENTS[event] for event in wanted.webhook_events_filter]
    if url and any(events):
        body["webhook"] = {"url": url, "events": list(dict.fromkeys(filter(None, events)))}
    order = orders.check_order(
        context,
        body,
        idempotency_key=request.headers.get("idempotency-key"),
        fresh=orders.wants_fresh(request.headers.get("cache-control")),
        sticky=request.headers.get("safelight-sticky"),
    )
    if order.webhook:
        order = replace(order, webhook=replace(order.webhook, form="replicate", origin=origin_of(request)))
    job, _ = await orders.submit(context, order)
    wait_s = preferred_wait(request.headers.get("prefer"))
    if wait_s:
        (job,) = await see_off(request, context, [job], max(wait_s - _MARGIN_S, wait_s / 2))
    document = await _document(request, context, job)
    if not job.final:
        document["status"] = STARTING  # whatever else is taken for an end by the client that waited
    headers = {} if wait_s is None else {"Preference-Applied": f"wait={wait_s}"}
    return JSONResponse(document, HTTPStatus.CREATED, headers)


async def _document(request: Request, context: Context, job: Job) -> Document:
    progress = context.follower.view(job).progress
    return prediction_document(job, origin_of(request), progress, await shown_outputs(request, context, job))
