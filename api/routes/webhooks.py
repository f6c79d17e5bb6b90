"""/v1/webhooks: what became of each delivery, delivering again, and the secret they are signed with."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.context import TENANT, Ctx
from api.shapes.bodies import body_of
from api.shapes.documents import (
    DeliveryDocument,
    DeliveryListDocument,
    DeliveryPageDocument,
    ProblemDocument,
    RedeliveredDocument,
    SecretDocument,
)
from api.web.body import read_object
from api.web.paging import decode_cursor, encode_cursor, parse_since
from jobs.deliveries import Delivery, DeliveryStatus, delivery_document
from jobs.errors import DeliveryNotFound, FieldFault, InvalidInput
from jobs.identity import parse_job_id
from workers.queue import COURIER, DELIVER

_DAY_S = 86_400
_WEEK_S = 7 * _DAY_S


class RedeliverRequest(BaseModel):
    """The body of POST /v1/webhooks/deliveries/redeliver: which ones."""

    model_config = ConfigDict(extra="forbid", strict=True)

    status: Literal["dead", "delivered"] = "dead"
    since: Annotated[str | None, Field(description="RFC 3339, or an age such as 1h")] = None
    job: str | None = None
    dry_run: bool = False


_BODY = body_of(RedeliverRequest, required=False)

router = APIRouter(
    prefix="/v1/webhooks",
    tags=["webhooks"],
    responses={status: {"model": ProblemDocument} for status in (404, 409, 422, 503)},
)


@router.get("/deliveries", response_model=DeliveryListDocument)
async def list_deliveries(
    context: Ctx,
    status: DeliveryStatus | None = None,
    job: Annotated[str | None, Query(description="A job's id")] = None,
    since: Annotated[str | None, Query(description="RFC 3339, or an age such as 90s, 15m, 1h, 7d")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Newest first. `next_cursor` is null on the last page."""
    found = await asyncio.to_thread(
        context.deliveries.list,
        TENANT,
        status=status,
        job_id=_id(job, "job"),
        since=parse_since(since) if since else None,
        before_id=decode_cursor(cursor) if cursor else None,
        limit=limit + 1,
    )
    page = found[:limit]
    more = encode_cursor(page[-1].id) if len(found) > limit else None
    return JSONResponse({"deliveries": [delivery_document(one) for one in page], "next_cursor": more})


@router.post("/deliveries/redeliver", response_model=RedeliveredDocument, openapi_extra=_BODY)
async def redeliver_many(request: Request, context: Ctx) -> Response:
    """Deliver again all that a filter chooses; with `dry_run`, only say how many."""
    wanted = _redelivery(await read_object(request))
    number = await asyncio.to_thread(
        context.deliveries.redeliver_all,
        TENANT,
        status=DeliveryStatus(wanted.status),
        job_id=_id(wanted.job, "job"),
        since=parse_since(wanted.since) if wanted.since else None,
        dry_run=wanted.dry_run,
    )
    return JSONResponse({"deliveries": number, "dry_run": wanted.dry_run})


@router.get("/deliveries/{delivery_id}", response_model=DeliveryPageDocument)
async def get_delivery(delivery_id: str, context: Ctx) -> Response:
    """One delivery, with the body that is sent."""
    delivery = await asyncio.to_thread(context.deliveries.get, _known(delivery_id), TENANT)
    return JSONResponse(delivery_document(delivery) | {"body": delivery.body})


@router.post("/deliveries/{delivery_id}/redeliver", response_model=DeliveryDocument)
async def redeliver(delivery_id: str, context: Ctx) -> Response:
    """Deliver it again at once, whatever became of it, under the same webhook-id."""
    delivery: Delivery = await asyncio.to_thread(context.deliveries.redeliver, _known(delivery_id), TENANT)
    context.doorbell.ring([(delivery.id, COURIER)], DELIVER)
    return JSONResponse(delivery_document(delivery))


@router.get("/default/secret", response_model=SecretDocument)
async def get_secret(context: Ctx) -> Response:
    """The newest secret, to verify signatures with."""
    valid = await asyncio.to_thread(context.webhook_secrets.valid, TENANT)
    return _secret(valid[0])


@router.post("/default/secret/rotate", response_model=SecretDocument)
async def rotate_secret(
    context: Ctx, keep_s: Annotated[float, Query(ge=0, le=_WEEK_S, allow_inf_nan=False)] = _DAY_S
) -> Response:
    """A new secret. The one before stays valid for `keep_s`: until then each delivery has both signatures."""
    return _secret(await asyncio.to_thread(context.webhook_secrets.rotate, TENANT, keep_s))


def _secret(secret: str) -> Response:
    return JSONResponse({"key": secret}, headers={"Cache-Control": "no-store"})


def _known(text: str) -> str:
    delivery_id = parse_job_id(text)
    if delivery_id is None:
        raise DeliveryNotFound(f"There is no delivery {text[:64]!r}.")
    return delivery_id


def _id(text: str | None, field: str) -> str | None:
    job_id = parse_job_id(text) if text is not None else None
    if text is not None and job_id is None:
        raise InvalidInput("A parameter is not valid.", [FieldFault(field, "Is not the id of a job.")])
    return job_id


def _redelivery(body: dict[str, Any]) -> RedeliverRequest:
    try:
        return RedeliverRequest.model_validate(body)
    except ValidationError as wrong:
        faults = [FieldFault(".".join(map(str, fault["loc"])), f"{fault['msg']}.") for fault in wrong.errors()]
        raise InvalidInput("The request is not valid.", faults) from wrong
