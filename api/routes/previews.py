"""/v1/jobs/ID/preview: what a running job's picture looks like so far."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.context import TENANT, Ctx
from api.desk.orders import known_id
from api.shapes.documents import ProblemDocument
from api.web.problems import problem

_HEADERS = {
    "Cache-Control": "no-store",  # the next one has the same address, but for the step
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}}, "description": "128 pixels on the longer side, 8 KB at most"},
    404: {"model": ProblemDocument},
}

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get("/{job_id}/preview", response_class=Response, responses=_ANSWERS)
async def get_preview(
    job_id: str,
    context: Ctx,
    step: Annotated[int | None, Query(description="Not looked at: it makes each preview's address its own")] = None,
) -> Response:
    """The newest preview of the job. Who asks watches: a running job that nobody watched gets one soon after."""
    job = await context.lookup.get(known_id(job_id), TENANT)
    jpeg = await context.previews.get(job.id)
    if jpeg is None:
        return problem(
            HTTPStatus.NOT_FOUND, "There is no preview of this job now.", headers={"Cache-Control": "no-store"}
        )
    return Response(jpeg, media_type="image/jpeg", headers=_HEADERS)
