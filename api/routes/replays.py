"""POST /v1/jobs/ID/replay: do a job's work again as it was done, to see whether the same comes out."""

import asyncio
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from api.context import TENANT, Context, Ctx
from api.desk import orders
from api.desk.orders import known_id
from api.shapes.documents import JobDocument, ProblemDocument
from forms.media_inputs import needed_jobs, read_media
from jobs.errors import Conflict, ModelNotFound
from jobs.identity import new_job_id
from jobs.references import UploadReference, UrlReference
from jobs.replays import replay
from jobs.values import Job, Submission
from models.entry import Entry

_PROBLEMS: dict[int | str, dict[str, Any]] = {status: {"model": ProblemDocument} for status in (404, 409, 503)}

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=_PROBLEMS)


@router.post("/{job_id}/replay", status_code=202, response_model=JobDocument)
async def replay_job(job_id: str, context: Ctx) -> Response:
    """A new job on the same version of the model, with the same input and seed, in a batch of the same size."""
    original = await asyncio.to_thread(context.store.get, known_id(job_id), TENANT)
    wanted = replay(original, new_job_id(), context.settings.max_attempts)
    version = f"{wanted.model}@{wanted.model_version}"
    try:
        entry = context.catalog.find(version)
    except ModelNotFound as missing:
        raise Conflict(f"The job was done by {version}, which is not here any more.") from missing
    context.admission.check(version)
    job, _ = await orders.submit(context, await _with_media(context, entry, original, wanted))
    return JSONResponse(context.follower.view(job).document, 202, {"Location": f"/v1/jobs/{job.id}"})


async def _with_media(context: Context, entry: Entry, original: Job, wanted: Submission) -> Submission:
    """With the very bytes that the original had: what was fetched for it is not fetched again."""
    media = []
    for one in read_media(entry, original.input, context.settings.webhook_networks):
        if isinstance(one.reference, UrlReference):
            upload = await asyncio.to_thread(context.uploads.fetched, original, one.reference.url)
            if upload is None:
                raise Conflict(f"What was fetched for input.{one.name} is not there any more.")
            media.append(replace(one, reference=UploadReference(upload.id)))
        else:
            media.append(one)
    uploads = {one.name: one.reference for one in media if isinstance(one.reference, UploadReference)}
    texts = {name: f"upload:{reference.upload_id}" for name, reference in uploads.items()}
    needs = tuple(needed_jobs(tuple(media)))
    return replace(wanted, input={**wanted.input, **texts}, media=tuple(media), needs=needs)
