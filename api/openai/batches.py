"""Batches, as the `openai` client makes and watches them."""

import asyncio
import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from api.context import TENANT, Ctx
from api.desk.pictures import origin_of
from api.openai.files import keep_seconds, known_file
from api.openai.pages import page_document
from api.web.body import read_object
from forms.batches import BatchRequest, window_seconds
from forms.requests import check_fields, check_idempotency_key
from forms.strict_json import fingerprint
from jobs.batches import Batch
from jobs.errors import BatchNotFound
from storage.batches.store import Wanted
from workers.queue import COURIER, WORK_OFF

_ID = re.compile(r"batch_[0-9a-f]{32}")

router = APIRouter(prefix="/batches")


@router.post("")
async def create_batch(request: Request, context: Ctx) -> Response:
    """Have the lines of a file worked off. The batch is committed before the answer; its file is checked after it."""
    body = await read_object(request)
    batch = await asyncio.to_thread(context.batches.create, _wanted(request, body))
    context.doorbell.ring([(batch.id, COURIER)], WORK_OFF)
    return JSONResponse(batch_document(batch))


@router.get("")
async def list_batches(
    context: Ctx,
    after: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """Newest first."""
    batches = await asyncio.to_thread(context.batches.page, TENANT, _known(after) if after else None, limit + 1)
    return JSONResponse(page_document([batch_document(batch) for batch in batches], limit))


@router.get("/{batch_id}")
async def get_batch(batch_id: str, context: Ctx) -> Response:
    return JSONResponse(batch_document(await asyncio.to_thread(context.batches.get, _known(batch_id), TENANT)))


@router.post("/{batch_id}/cancel")
async def cancel_batch(batch_id: str, context: Ctx) -> Response:
    """Begin nothing more, cancel what is under way, keep what is done."""
    batch = await asyncio.to_thread(context.batches.cancel, _known(batch_id), TENANT)
    context.doorbell.ring([(batch.id, COURIER)], WORK_OFF)
    return JSONResponse(batch_document(batch))


def batch_document(batch: Batch) -> dict[str, Any]:
    """What is not yet known is left out, as that client expects."""
    ended = f"{batch.status}_at" if batch.final else ""
    moments = {
        "created_at": batch.created_at,
        "in_progress_at": batch.in_progress_at,
        "expires_at": batch.expires_at,
        "finalizing_at": batch.finalizing_at,
        "cancelling_at": batch.cancelling_at,
        ended: batch.finished_at if ended else None,
    }
    known: dict[str, Any] = {name: _seconds(moment) for name, moment in moments.items() if moment}
    files = {"output_file_id": batch.output_file_id, "error_file_id": batch.error_file_id}
    known |= {name: file_id for name, file_id in files.items() if file_id}
    if batch.errors:
        known["errors"] = {"object": "list", "data": list(batch.errors)}
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "input_file_id": batch.input_file_id,
        "completion_window": batch.completion_window,
        "status": batch.status.value,
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "metadata": batch.metadata,
        **known,
    }


def _wanted(request: Request, body: dict[str, Any]) -> Wanted:
    """Raises: InvalidInput, FileMissing."""
    asked = check_fields(BatchRequest, body, "The batch is not valid.")
    key = check_idempotency_key(request.headers.get("idempotency-key"))
    resend = request.headers.get("x-stainless-retry-count", "0")
    keep = asked.output_expires_after
    return Wanted(
        tenant=TENANT,
        endpoint=asked.endpoint,
        input_file_id=known_file(asked.input_file_id),
        completion_window=asked.completion_window,
        window_s=window_seconds(asked.completion_window),
        metadata=asked.metadata or {},
        keep_s=keep_seconds(keep.anchor, keep.seconds, "output_expires_after") if keep else None,
        origin=origin_of(request),
        body_hash=fingerprint(body),
        idempotency_key=key,
        resent=resend.isascii() and resend.isdigit() and int(resend[:9]) > 0,
    )


def _known(text: str) -> str:
    """Whatever is no id names no batch. Raises: BatchNotFound."""
    if not _ID.fullmatch(text):
        raise BatchNotFound(f"There is no batch {text[:64]!r}.")
    return text


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
