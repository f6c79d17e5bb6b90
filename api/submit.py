"""POST /v1/jobs, the hot path: between the socket and the intake nothing is done twice."""

import re
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import orders
from api.body import read_object
from api.context import context_of
from api.documents import JobDocument, ProblemDocument
from api.plain import PlainRoute
from api.waiting import POLL_AFTER_S, WAIT_MOST_S, wait_beyond
from forms.requests import JobRequest

_PREFER_WAIT = re.compile(r"(?:^|[,;\s])wait(?:=(\d{1,9}))?(?=$|[,;\s])")

_HEADERS = {
    "Idempotency-Key": "The same key and body: the first job again. The same key and another body: 409",
    "Prefer": "wait=N: 200 when the job is finished within N seconds, N up to 60",
    "Cache-Control": "no-cache: the job is done although the same was done before",
    "X-Stainless-Retry-Count": "1 or more: a resend of the same body is answered with the job it made before",
}
_DESCRIPTION: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": JobRequest.model_json_schema()}}},
    "parameters": [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": text}
        for name, text in _HEADERS.items()
    ],
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {status: {"model": ProblemDocument} for status in (409, 413, 422, 503)}


router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=_PROBLEMS, route_class=PlainRoute)


@router.post("", status_code=202, response_model=JobDocument, openapi_extra=_DESCRIPTION)
async def submit_job(request: Request) -> Response:
    """Accept a job. The row is committed before the answer; a broker that is down delays nothing."""
    context = context_of(request)
    asked = request.headers
    wanted = orders.check_order(
        context,
        await read_object(request),
        idempotency_key=asked.get("idempotency-key"),
        resend_count=asked.get("x-stainless-retry-count"),
        path=request.scope["path"],
        fresh=_wants_fresh(asked.get("cache-control")),
    )
    job, replayed = await orders.submit(context, wanted)
    wait_s = _preferred_wait(asked.get("prefer"))
    if wait_s and not job.final:
        job = await wait_beyond(context.follower, context.lookup, job, None, wait_s)
    headers = {"Location": f"/v1/jobs/{job.id}"}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    if wait_s is not None:
        headers["Preference-Applied"] = f"wait={wait_s}"
    status = HTTPStatus.OK if wait_s is not None and job.final else HTTPStatus.ACCEPTED
    if status is HTTPStatus.ACCEPTED:
        headers["Retry-After"] = str(POLL_AFTER_S)
    return Response(context.follower.view(job).text, status, headers, "application/json")


def _wants_fresh(cache_control: str | None) -> bool:
    """The result is not to be taken from the cache, nor to be left in it."""
    words = {word.strip().lower() for word in (cache_control or "").split(",")}
    return not words.isdisjoint({"no-cache", "no-store"})


def _preferred_wait(prefer: str | None) -> int | None:
    """Seconds of `Prefer: wait=N`, at most 60; a bare `wait` means as long as we may."""
    found = _PREFER_WAIT.search(prefer or "")
    if found is None:
        return None
    return min(int(found[1]), WAIT_MOST_S) if found[1] else WAIT_MOST_S
