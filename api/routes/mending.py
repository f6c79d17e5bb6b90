"""/v1/jobs/retry and /v1/jobs/purge: mend many jobs at once, chosen by a filter."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from api.context import TENANT, Context, Ctx
from api.shapes.bodies import body_of
from api.shapes.documents import MendedDocument, ProblemDocument
from api.web.body import read_object
from api.web.paging import decode_cursor, encode_cursor, parse_since
from forms.requests import check_fields
from jobs.errors import FieldFault, InvalidInput, StoreUnavailable
from jobs.identity import parse_job_id
from jobs.values import Job, Status
from storage.jobs.mending import Batch, Choice, Mending
from storage.jobs.orphans import Orphans

log = logging.getLogger(__name__)

_BATCH = 200  # jobs a transaction: it must not keep other writers waiting for long
_IDS_MOST = 1_000

Retryable = Literal["failed", "canceled", "expired"]
Finished = Literal["succeeded", "failed", "canceled", "expired"]


class MendRequest(BaseModel):
    """Which jobs: all conditions hold. `status` or `ids` must be given."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: Annotated[str | None, Field(min_length=1, max_length=128)] = None
    since: Annotated[str | None, Field(description="Created since then: RFC 3339, or an age such as 1h")] = None
    before: Annotated[str | None, Field(description="Created before then: RFC 3339, or an age such as 7d")] = None
    ids: Annotated[list[str] | None, Field(min_length=1, max_length=_IDS_MOST)] = None
    dry_run: Annotated[bool, Field(description="Only count")] = False
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    cursor: Annotated[str | None, Field(max_length=200, description="`next_cursor` of the answer before")] = None


class RetryRequest(MendRequest):
    """The body of POST /v1/jobs/retry."""

    status: Annotated[list[Retryable] | None, Field(min_length=1)] = None


class PurgeRequest(MendRequest):
    """The body of POST /v1/jobs/purge."""

    status: Annotated[list[Finished] | None, Field(min_length=1)] = None


Step = Callable[[Choice, str, int], Batch]
Tell = Callable[[Context, Sequence[Job]], None]

router = APIRouter(
    prefix="/v1/jobs",
    tags=["jobs"],
    responses={status: {"model": ProblemDocument} for status in (413, 422, 503)},
)


@router.post("/retry", response_model=MendedDocument, openapi_extra=body_of(RetryRequest))
async def retry_jobs(request: Request, context: Ctx) -> Response:
    """Queue failed, canceled or expired jobs again, each under its id, oldest first; each once a call."""
    wanted = check_fields(RetryRequest, await read_object(request), "The choice of jobs is not valid.")
    choice = _choice(wanted, wanted.status, get_args(Retryable))
    return await _mend(context, wanted, choice, Mending(context.database).retry, _ring)


@router.post("/purge", response_model=MendedDocument, openapi_extra=body_of(PurgeRequest))
async def purge_jobs(request: Request, context: Ctx) -> Response:
    """Forget finished jobs and the artifacts that only they list, oldest first."""
    wanted = check_fields(PurgeRequest, await read_object(request), "The choice of jobs is not valid.")
    choice = _choice(wanted, wanted.status, get_args(Finished))
    return await _mend(context, wanted, choice, lambda *step: _purge(context, *step), _tell)


async def _mend(context: Context, wanted: MendRequest, choice: Choice, step: Step, tell: Tell) -> Response:
    after: str | None = decode_cursor(wanted.cursor) if wanted.cursor else ""
    if wanted.dry_run:
        counted = await asyncio.to_thread(Mending(context.database).count, choice, after or "", wanted.limit)
        return _answer(counted.count, counted.next_after, dry_run=True)
    count = seen = 0
    while after is not None and seen < wanted.limit:
        started = time.monotonic()
        size = min(_BATCH, wanted.limit - seen)
        done = await asyncio.to_thread(step, choice, after, size)
        tell(context, done.jobs)
        seen, count, after = seen + size, count + done.count, done.next_after
        if after is not None:
            await asyncio.sleep(time.monotonic() - started)  # half of the time is left to other writers
    return _answer(count, after, dry_run=False)


def _answer(count: int, after: str | None, *, dry_run: bool) -> Response:
    cursor = encode_cursor(after) if after else None
    return JSONResponse({"count": count, "dry_run": dry_run, "more": after is not None, "next_cursor": cursor})


def _choice(wanted: MendRequest, asked: Sequence[str] | None, allowed: Sequence[str]) -> Choice:
    """Raises: InvalidInput."""
    if asked is None and wanted.ids is None:
        fault = FieldFault("status", "Name the statuses, or ids.")
        raise InvalidInput("The choice of jobs is not valid.", [fault])
    return Choice(
        tenant=TENANT,
        statuses=[Status(word) for word in dict.fromkeys(asked or allowed)],
        model=wanted.model,
        since=parse_since(wanted.since) if wanted.since is not None else None,
        before=parse_since(wanted.before, "before") if wanted.before is not None else None,
        ids=None if wanted.ids is None else _ids(wanted.ids),
    )


def _ids(texts: Sequence[str]) -> list[str]:
    parsed = [parse_job_id(text) for text in texts]
    faults = [FieldFault(f"ids.{at}", "Is not a job's id.") for at, job_id in enumerate(parsed) if job_id is None]
    if faults:
        raise InvalidInput("The choice of jobs is not valid.", faults)
    return [job_id for job_id in parsed if job_id]


def _purge(context: Context, choice: Choice, after: str, limit: int) -> Batch:
    """And set aside what nobody lists any more: the sweep would find it, but hours later."""
    batch = Mending(context.database).purge(choice, after, limit)
    try:
        keys = {output.key for job in batch.jobs for output in job.outputs}
        Orphans(context.store, context.artifacts).set_aside(keys)
    except (StoreUnavailable, OSError) as fault:
        log.warning("bytes of purged jobs wait for the sweep: %s", fault)
    return batch


def _ring(context: Context, jobs: Sequence[Job]) -> None:
    _tell(context, jobs)
    context.doorbell.ring_for(jobs)


def _tell(context: Context, jobs: Sequence[Job]) -> None:
    if jobs:
        context.bus.changed()
