"""POST /v1/triggers/ID/fire: an event from elsewhere becomes a job or a group. Only its signature is asked for."""

import asyncio
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import Context, Ctx
from api.desk import group_orders, orders
from api.gate.signatures import check_signature
from api.shapes.documents import JobDocument, ProblemDocument
from api.watch.waiting import POLL_AFTER_S
from api.web.body import read_bounded
from forms.desk import Order
from forms.strict_json import check_texts, fingerprint, parse_object
from jobs.errors import Conflict, TriggerNotFound
from jobs.groups import GroupOrder
from jobs.identity import parse_job_id
from jobs.templates import fill
from jobs.triggers import Kind, Trigger, body_key, body_values

EVENT_BYTES = 64 * 1024

_DESCRIPTION: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
    "parameters": [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": text}
        for name, text in {
            "webhook-id": "The same for the same event, however often it is sent",
            "webhook-timestamp": "Seconds since 1970, five minutes from now at the most",
            "webhook-signature": "As Standard Webhooks says, with the trigger's secret",
        }.items()
    ],
}

router = APIRouter(
    prefix="/v1/triggers",
    tags=["triggers"],
    responses={status: {"model": ProblemDocument} for status in (401, 404, 409, 413, 422, 503)},
)


@router.post("/{trigger_id}/fire", status_code=202, response_model=JobDocument, openapi_extra=_DESCRIPTION)
async def fire(trigger_id: str, request: Request, context: Ctx) -> Response:
    """Submit the trigger's job, or group, its places filled from this event. The same webhook-id again: the same."""
    raw = await read_bounded(request.headers.get("content-length", ""), request.receive, EVENT_BYTES)
    trigger = await asyncio.to_thread(context.automation.triggers.get, known_trigger(trigger_id))
    message_id = check_signature(raw, request.headers, _secret(trigger))
    event = parse_object(raw)
    if not trigger.enabled:
        raise Conflict("This trigger is not enabled.")
    if "group" in trigger.template:
        return await _fire_group(context, trigger, event, message_id)
    filled = fill(trigger.template, body_values(trigger, event))
    check_texts(filled)
    wanted = orders.check_order(
        context,
        filled["job"],
        tenant=trigger.tenant,
        idempotency_key=body_key(trigger, message_id),
    )
    lineage = replace(wanted.lineage, made_by=f"trigger:{trigger.id}")
    job, replayed = await orders.submit(context, replace(wanted, body_hash=fingerprint(event), lineage=lineage))
    return _answer(f"/v1/jobs/{job.id}", context.follower.view(job).text, replayed)


async def _fire_group(context: Context, trigger: Trigger, event: dict[str, Any], message_id: str) -> Response:
    """Raises: InvalidInput, IdempotencyConflict, Overloaded, CircuitOpen."""
    key = Order(trigger.tenant, body_key(trigger, message_id), f"trigger:{trigger.id}")
    wanted = context.automation.desk.order(trigger.template, body_values(trigger, event), key)
    assert isinstance(wanted, GroupOrder)
    first, *others = wanted.members
    members = [replace(first, body_hash=fingerprint(event)), *others]
    group, replayed = await group_orders.accept(context, replace(wanted, members=members))
    return _answer(f"/v1/groups/{group.id}", context.follower.group_view(group).text, replayed)


def _answer(location: str, text: str, replayed: bool) -> Response:
    headers = {"Location": location, "Retry-After": str(POLL_AFTER_S)}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(text, 202, headers, "application/json")


def known_trigger(text: str) -> str:
    """Raises: TriggerNotFound."""
    trigger_id = parse_job_id(text)
    if trigger_id is None:
        raise TriggerNotFound(f"There is no trigger {text[:64]!r}.")
    return trigger_id


def _secret(trigger: Trigger) -> str:
    if trigger.kind is not Kind.WEBHOOK or trigger.secret is None:
        raise TriggerNotFound(f"There is no trigger {trigger.id} that takes events.")
    return trigger.secret
