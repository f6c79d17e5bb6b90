"""POST /v1/jobs/ID/replay: do a job's work again as it was done, to see whether the same comes out."""

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from api import orders
from api.context import TENANT, Ctx
from api.documents import JobDocument, ProblemDocument
from api.orders import known_id
from jobs.errors import Conflict, ModelNotFound
from jobs.identity import new_job_id
from jobs.replays import replay

_PROBLEMS: dict[int | str, dict[str, Any]] = {status: {"model": ProblemDocument} for status in (404, 409, 503)}

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=_PROBLEMS)


@router.post("/{job_id}/replay", status_code=202, response_model=JobDocument)
async def replay_job(job_id: str, context: Ctx) -> Response:
    """A new job on the same version of the model, with the same input and seed, in a batch of the same size."""
    original = await asyncio.to_thread(context.store.get, known_id(job_id), TENANT)
    wanted = replay(original, new_job_id(), context.settings.max_attempts)
    version = f"{wanted.model}@{wanted.model_version}"
    try:
        context.catalog.find(version)
    except ModelNotFound as missing:
        raise Conflict(f"The job was done by {version}, which is not here any more.") from missing
    context.admission.check(version)
    job, _ = await orders.submit(context, wanted)
    return JSONResponse(context.follower.view(job).document, 202, {"Location": f"/v1/jobs/{job.id}"})
