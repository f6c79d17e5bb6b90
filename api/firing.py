"""POST /v1/triggers/ID/fire: an event from elsewhere becomes a job. No key but the signature is asked for."""

import asyncio
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import orders
from api.body import read_bounded
from api.context import Ctx
from api.documents import JobDocument, ProblemDocument
from api.signatures import check_signature
from api.waiting import POLL_AFTER_S
from forms.strict_json import fingerprint, parse_object
from jobs.errors import Conflict, TriggerNotFound
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
    """Submit the trigger's job, its places filled from this event. The same webhook-id again: the same job."""
    raw = await read_bounded(request.headers.get("content-length", ""), request.receive, EVENT_BYTES)
    trigger = await asyncio.to_thread(context.automation.triggers.get, known_trigger(trigger_id))
    message_id = check_signature(raw, request.headers, _secret(trigger))
    event = parse_object(raw)
    if not trigger.enabled:
        raise Conflict("This trigger is not enabled.")
    wanted = orders.check_order(
        context,
        fill(trigger.template, body_values(trigger, event))["job"],
        tenant=trigger.tenant,
        idempotency_key=body_key(trigger, message_id),
    )
    lineage = replace(wanted.lineage, made_by=f"trigger:{trigger.id}")
    job, replayed = await orders.submit(context, replace(wanted, body_hash=fingerprint(event), lineage=lineage))
    headers = {"Location": f"/v1/jobs/{job.id}", "Retry-After": str(POLL_AFTER_S)}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(context.follower.view(job).text, 202, headers, "application/json")


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
