"""/v1/groups: submit, read, list, follow, cancel, retry, delete."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse, Response

from api.context import TENANT, Context, Ctx, context_of
from api.desk import group_orders, orders
from api.desk.group_orders import known_group
from api.routes.events import stream
from api.routes.poll import answer_poll, poll_parameters
from api.shapes.bodies import body_of
from api.shapes.documents import ProblemDocument
from api.shapes.groups import GroupDocument, GroupListDocument
from api.watch.waiting import POLL_AFTER_S
from api.web.body import read_object
from api.web.paging import decode_cursor, encode_cursor, parse_since
from api.web.plain import PlainRoute
from forms.groups import GroupRequest
from jobs.groups import Group, GroupStatus

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemDocument} for status in (404, 409, 413, 422, 503)
}
_SUBMIT: dict[str, Any] = {
    **body_of(GroupRequest),
    "parameters": [
        {"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string"}},
    ],
}
_POLL: dict[str, Any] = {"parameters": poll_parameters("group_id", "Group Id")}
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "`event: group`, `id: SEQ`, data: the group"},
    204: {"description": "The final state was seen already"},
}

router = APIRouter(prefix="/v1/groups", tags=["groups"], responses=_PROBLEMS)
plain = APIRouter(prefix="/v1/groups", tags=["groups"], responses=_PROBLEMS, route_class=PlainRoute)


@plain.post("", status_code=202, response_model=GroupDocument, openapi_extra=_SUBMIT)
async def submit_group(request: Request) -> Response:
    """Accept a group: all its members, or none. They are committed before the answer."""
    context = context_of(request)
    key, fresh = request.headers.get("idempotency-key"), orders.wants_fresh(request.headers.get("cache-control"))
    body = await read_object(request)
    group, replayed = await group_orders.submit(context, body, idempotency_key=key, fresh=fresh)
    headers = {"Location": f"/v1/groups/{group.id}", "Retry-After": str(POLL_AFTER_S)}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(_text(context, group), HTTPStatus.ACCEPTED, headers, "application/json")


@plain.get("/{group_id}", response_model=GroupDocument, openapi_extra=_POLL)
async def get_group(request: Request) -> Response:
    """The group as it stands. With `wait`, answered once its `seq` is beyond `after` (without `after`: once it has
    ended), or after that many seconds."""
    context = context_of(request)
    group_id = known_group(request.path_params["group_id"])
    return await answer_poll(request, context.follower, context.group_lookup, group_id)


@router.get("", response_model=GroupListDocument)
async def list_groups(
    context: Ctx,
    status: Annotated[list[GroupStatus] | None, Query(description="One or more of the status words")] = None,
    since: Annotated[str | None, Query(description="RFC 3339, or an age such as 90s, 15m, 1h, 7d")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Newest first. `next_cursor` is null on the last page."""
    groups = await asyncio.to_thread(
        context.groups.list,
        TENANT,
        statuses=status or (),
        since=parse_since(since) if since else None,
        before_id=decode_cursor(cursor) if cursor else None,
        limit=limit + 1,
    )
    page = groups[:limit]
    more = encode_cursor(page[-1].id) if len(groups) > limit else None
    documents = [context.follower.group_view(group).document for group in page]
    return JSONResponse({"groups": documents, "next_cursor": more})


@router.get("/{group_id}/events", response_class=Response, responses=_EVENTS)
async def stream_group(
    group_id: str, context: Ctx, last_event_id: Annotated[str | None, Header()] = None
) -> Response:
    """The group as server-sent events, as those of a job."""
    group = await context.group_lookup.get(known_group(group_id), TENANT)
    return stream(context, context.group_lookup, group, last_event_id)


@router.post("/{group_id}/cancel", response_model=GroupDocument)
async def cancel_group(group_id: str, context: Ctx) -> Response:
    """Cancel all members that are not over. It has ended once the last of them has stopped."""
    return _answer(context, await group_orders.cancel(context, group_id))


@router.post("/{group_id}/retry", response_model=GroupDocument)
async def retry_group(group_id: str, context: Ctx) -> Response:
    """Queue the members again that ended without a result, in a group that has ended and did not succeed."""
    return _answer(context, await group_orders.retry(context, group_id))


@router.delete("/{group_id}", status_code=204)
async def delete_group(group_id: str, context: Ctx) -> Response:
    """Forget a group that has ended, its members' jobs, and the artifacts that only they list."""
    await asyncio.to_thread(context.groups.delete, known_group(group_id), TENANT)
    context.bus.changed()
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _answer(context: Context, group: Group) -> Response:
    return Response(_text(context, group), media_type="application/json")


def _text(context: Context, group: Group) -> str:
    return context.follower.group_view(group).text
