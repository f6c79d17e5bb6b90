"""GET /v1/jobs/{id}, the other hot path: what has not changed is not written out again."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, ValidationError

from api.context import TENANT, context_of
from api.desk.orders import known_id
from api.shapes.documents import JobDocument, ProblemDocument
from api.watch.follower import Follower
from api.watch.lookup import Found, Lookup
from api.watch.waiting import POLL_AFTER_S, WAIT_MOST_S, wait_beyond
from api.web.plain import PlainRoute
from jobs.errors import FieldFault, InvalidInput


class Patience(BaseModel):
    """How long the answer may wait, and for what."""

    wait: Annotated[float, Field(ge=0, le=WAIT_MOST_S, allow_inf_nan=False)] = 0
    after: Annotated[int | None, Field(ge=0, le=(1 << 63) - 1)] = None


_AT_ONCE = Patience()


def poll_parameters(path_name: str, title: str) -> list[dict[str, Any]]:
    query = Patience.model_json_schema()["properties"]
    either = {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "If-None-Match"}
    return [
        {"name": path_name, "in": "path", "required": True, "schema": {"type": "string", "title": title}},
        *({"name": name, "in": "query", "required": False, "schema": schema} for name, schema in query.items()),
        {"name": "if-none-match", "in": "header", "required": False, "schema": either},
    ]


_EXTRA: dict[str, Any] = {"parameters": poll_parameters("job_id", "Job Id")}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    304: {"description": "The job is as the ETag in If-None-Match says"},
    **{status: {"model": ProblemDocument} for status in (404, 422, 503)},
}

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=_PROBLEMS, route_class=PlainRoute)


@router.get("/{job_id}", response_model=JobDocument, openapi_extra=_EXTRA)
async def get_job(request: Request) -> Response:
    """The job as it stands. With `wait`, answered once its `seq` is beyond `after` (without `after`: once it
    is finished), or after that many seconds."""
    context = context_of(request)
    job_id = known_id(request.path_params["job_id"])
    return await answer_poll(request, context.follower, context.lookup, job_id, context.forecast.look)


async def answer_poll(
    request: Request,
    follower: Follower,
    lookup: Lookup[Found],
    asked: str,
    forecast: Callable[[Found], Awaitable[None]] | None = None,
) -> Response:
    """A job, or a group, as the request wants it: at once or later, whole or only if it has changed."""
    patience = _patience(request) if request.scope["query_string"] else _AT_ONCE
    subject = await lookup.get(asked, TENANT)
    if patience.wait:
        subject = await wait_beyond(follower, lookup, subject, patience.after, patience.wait)
    headers = {"Cache-Control": "no-cache"}
    if not subject.final:
        headers["Retry-After"] = str(POLL_AFTER_S)
    view = follower.show(subject)
    if _matches(request.headers.get("if-none-match"), view.etag):
        headers["ETag"] = view.etag
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if forecast:
        await forecast(subject)
        view = follower.show(subject)
    headers["ETag"] = view.etag
    return Response(view.text, headers=headers, media_type="application/json")


def _patience(request: Request) -> Patience:
    """Raises: InvalidInput, naming each wrong parameter."""
    try:
        return Patience.model_validate(dict(request.query_params))
    except ValidationError as wrong:
        faults = [FieldFault(".".join(map(str, fault["loc"])), fault["msg"]) for fault in wrong.errors()]
        raise InvalidInput("A parameter is not valid.", faults) from wrong


def _matches(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or "*" in tags
