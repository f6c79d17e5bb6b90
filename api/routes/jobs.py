"""/v1/jobs: list, cancel, retry, delete."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from api.context import TENANT, Context, Ctx
from api.desk import orders
from api.desk.orders import known_id
from api.shapes.documents import AttemptListDocument, JobDocument, JobListDocument, ProblemDocument
from api.web.paging import decode_cursor, encode_cursor, parse_since
from jobs.document import Document, attempt_document
from jobs.errors import FieldFault, InvalidInput
from jobs.values import Job, Status

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemDocument} for status in (404, 409, 413, 422, 503)
}

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=_PROBLEMS)


@router.get("", response_model=JobListDocument)
async def list_jobs(
    context: Ctx,
    status: Annotated[list[Status] | None, Query(description="One or more of the status words")] = None,
    model: Annotated[str | None, Query(max_length=128)] = None,
    since: Annotated[str | None, Query(description="RFC 3339, or an age such as 90s, 15m, 1h, 7d")] = None,
    shadows: Annotated[bool, Query(description="Also jobs that aliases had done again")] = False,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Newest first. `next_cursor` is null on the last page."""
    _check_text("model", model)
    jobs = await asyncio.to_thread(
        context.store.list,
        TENANT,
        statuses=status or (),
        model=model,
        since=parse_since(since) if since else None,
        before_id=decode_cursor(cursor) if cursor else None,
        limit=limit + 1,
        shadows=shadows,
    )
    page = jobs[:limit]
    more = encode_cursor(page[-1].id) if len(jobs) > limit else None
    return JSONResponse({"jobs": [_document(context, job) for job in page], "next_cursor": more})


@router.get("/{job_id}/attempts", response_model=AttemptListDocument)
async def list_attempts(job_id: str, context: Ctx) -> Response:
    """Every attempt at the job, the first one first, each with its worker and what became of it."""
    attempts = await asyncio.to_thread(context.store.attempts, known_id(job_id), TENANT)
    return JSONResponse({"attempts": [attempt_document(attempt) for attempt in attempts]})


@router.post("/{job_id}/cancel", response_model=JobDocument)
async def cancel_job(job_id: str, context: Ctx) -> Response:
    """A queued job is canceled at once, a running one at its next denoising step; a finished one stays."""
    return JSONResponse(_document(context, await orders.cancel(context, job_id)))


@router.post("/{job_id}/retry", response_model=JobDocument)
async def retry_job(job_id: str, context: Ctx) -> Response:
    """Queue a failed, canceled or expired job again, under the same id."""
    job = await asyncio.to_thread(context.store.retry, known_id(job_id), TENANT)
    context.doorbell.ring_for([job])
    context.bus.changed()
    return JSONResponse(_document(context, job))


@router.delete("/{job_id}", status_code=204)
async def delete_job(job_id: str, context: Ctx) -> Response:
    """Forget a finished job and the artifacts that only it lists."""
    await asyncio.to_thread(context.store.delete, known_id(job_id), TENANT)
    context.bus.changed()
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _document(context: Context, job: Job) -> Document:
    return context.follower.view(job).document


def _check_text(field: str, text: str | None) -> None:
    if text and "\0" in text:
        fault = FieldFault(field, "The NUL character is not allowed in text.")
        raise InvalidInput("A parameter is not valid.", [fault])
