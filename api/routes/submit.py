"""POST /v1/jobs, the hot path: between the socket and the intake nothing is done twice."""

from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.types import Receive, Scope

from api.context import Context, context_of
from api.desk import orders
from api.shapes.bodies import body_of
from api.shapes.documents import JobDocument, ProblemDocument
from api.watch.waiting import POLL_AFTER_S, preferred_wait, wait_beyond
from api.web.body import read_bounded
from api.web.plain import PlainRoute
from forms.requests import JobRequest
from forms.strict_json import parse_object

PATH = "/v1/jobs"

_POLL_AFTER = str(POLL_AFTER_S)

_HEADERS = {
    "Idempotency-Key": "The same key and body: the first job again. The same key and another body: 409",
    "Prefer": "wait=N: 200 when the job is finished within N seconds, N up to 60",
    "Cache-Control": "no-cache: the job is done although the same was done before",
    "Safelight-Sticky": "Whoever sends the same gets the same version of an alias",
    "X-Stainless-Retry-Count": "1 or more: a resend of the same body is answered with the job it made before",
}
_DESCRIPTION: dict[str, Any] = {
    **body_of(JobRequest),
    "parameters": [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": text}
        for name, text in _HEADERS.items()
    ],
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {status: {"model": ProblemDocument} for status in (409, 413, 422, 503)}


router = APIRouter(prefix=PATH, tags=["jobs"], responses=_PROBLEMS, route_class=PlainRoute)


@router.post("", status_code=202, response_model=JobDocument, openapi_extra=_DESCRIPTION)
async def submit_job(request: Request) -> Response:
    """Accept a job. The row is committed before the answer; a broker that is down delays nothing."""
    answer = await accept(context_of(request), request.scope, request.receive)
    return Response(answer.text, answer.status, answer.headers, "application/json")


class Answer(NamedTuple):
    """What a submit is answered with: a job's document as JSON."""

    status: int
    headers: dict[str, str]
    text: str


async def accept(context: Context, scope: Scope, receive: Receive) -> Answer:
    """The answer to a request that this path's route would be given."""
    asked = {name: value.decode("latin-1") for name, value in reversed(scope["headers"])}
    body = await read_bounded(asked.get(b"content-length", ""), receive)
    wanted = orders.check_order(
        context,
        parse_object(body),
        idempotency_key=asked.get(b"idempotency-key"),
        resend_count=asked.get(b"x-stainless-retry-count"),
        path=scope["path"],
        sticky=asked.get(b"safelight-sticky"),
        fresh=orders.wants_fresh(asked.get(b"cache-control")),
    )
    job, replayed = await orders.submit(context, wanted)
    wait_s = preferred_wait(asked.get(b"prefer"))
    if wait_s and not job.final:
        job = await wait_beyond(context.follower, context.lookup, job, None, wait_s)
    headers = {"Location": f"{PATH}/{job.id}"}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    if wait_s is not None:
        headers["Preference-Applied"] = f"wait={wait_s}"
    status = HTTPStatus.OK if wait_s is not None and job.final else HTTPStatus.ACCEPTED
    if status is HTTPStatus.ACCEPTED:
        headers["Retry-After"] = _POLL_AFTER
    return Answer(status.value, headers, context.follower.view(job).text)
