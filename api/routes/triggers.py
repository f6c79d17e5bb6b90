"""/v1/triggers: jobs by an event. Those of webhooks are fired in api.routes.firing, those of folders by the
reaper."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from api.context import TENANT, Context, Ctx
from api.routes.firing import known_trigger
from api.shapes.automation import (
    NewTriggerDocument,
    TriedTriggerDocument,
    TriggerDocument,
    TriggerListDocument,
)
from api.shapes.bodies import body_of
from api.shapes.documents import ProblemDocument
from api.web.body import read_object
from forms.desk import Order
from forms.folders import check_folder
from forms.requests import check_fields
from forms.templates import Body, Group, TemplateRequest, take_template
from jobs.errors import Conflict, FieldFault, InvalidInput
from jobs.identity import new_id
from jobs.templates import fill
from jobs.triggers import ROOTS, Kind, Stamp, Trigger, body_values, file_values, trigger_document
from storage.webhooks.signing_secrets import new_secret

_COMPLAINT = "The trigger is not valid."

Name = Annotated[str, Field(min_length=1, max_length=128, description="Unique among your triggers")]
Pattern = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^/\\]+$", description="Of names: *.png")]


class TriggerRequest(TemplateRequest):
    """The body of POST /v1/triggers. `${body.…}` is filled, or `${file.…}`."""

    name: Name
    kind: Literal["webhook", "folder"] = "webhook"
    enabled: bool = True
    path: Annotated[str | None, Field(max_length=1_000, description="Of a folder: absolute, under a root")] = None
    pattern: Pattern | None = None


class TriggerChange(BaseModel):
    """The body of PATCH /v1/triggers/ID: what is given is changed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name | None = None
    enabled: bool | None = None
    job: Body = None
    group: Group = None
    pattern: Pattern | None = None


class TriggerTrial(BaseModel):
    """The body of POST /v1/triggers/ID/test: an event, or the name of a file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    body: dict[str, Any] = {}
    file: Annotated[str, Field(min_length=1, max_length=255)] = "example.png"


router = APIRouter(
    prefix="/v1/triggers",
    tags=["triggers"],
    responses={status: {"model": ProblemDocument} for status in (404, 409, 413, 422, 503)},
)


@router.post("", status_code=201, response_model=NewTriggerDocument, openapi_extra=body_of(TriggerRequest))
async def create_trigger(request: Request, context: Ctx) -> Response:
    """Have a job made of each event. The secret is in this answer, and in no other."""
    wanted = check_fields(TriggerRequest, await read_object(request), _COMPLAINT)
    kind = Kind(wanted.kind)
    folder = _folder(wanted, context)
    context.automation.desk.check_template(wanted.template, ROOTS[kind], TENANT)
    trigger = Trigger(
        id=new_id(),
        tenant=TENANT,
        name=wanted.name,
        kind=kind,
        enabled=wanted.enabled,
        template=wanted.template,
        secret=new_secret() if kind is Kind.WEBHOOK else None,
        folder=folder,
        pattern=(wanted.pattern or "*") if folder else None,
        last_at=None,
        last_made_id=None,
        last_error=None,
        created_at=datetime.now(UTC),
    )
    made = await asyncio.to_thread(context.automation.triggers.create, trigger)
    headers = {"Location": f"/v1/triggers/{made.id}", "Cache-Control": "no-store"}
    return JSONResponse(_with_secret(made), 201, headers)


@router.get("", response_model=TriggerListDocument)
async def list_triggers(context: Ctx) -> Response:
    """By name; 1,000 at the most."""
    found = await asyncio.to_thread(context.automation.triggers.list, TENANT)
    return JSONResponse({"triggers": [trigger_document(one) for one in found]})


@router.get("/{trigger_id}", response_model=TriggerDocument)
async def get_trigger(trigger_id: str, context: Ctx) -> Response:
    """Without its secret."""
    return JSONResponse(trigger_document(await _get(context, trigger_id)))


@router.patch("/{trigger_id}", response_model=TriggerDocument, openapi_extra=body_of(TriggerChange))
async def change_trigger(trigger_id: str, request: Request, context: Ctx) -> Response:
    """Change what is given."""
    given = check_fields(TriggerChange, await read_object(request), _COMPLAINT).model_dump(exclude_unset=True)
    faults = [FieldFault(name, "Must not be null.") for name, value in given.items() if value is None]
    trigger = await _get(context, trigger_id)
    if "pattern" in given and trigger.kind is not Kind.FOLDER:
        faults.append(FieldFault("pattern", "Only a folder has one."))
    if faults:
        raise InvalidInput(_COMPLAINT, faults)
    take_template(given, _COMPLAINT)
    if "template" in given:
        context.automation.desk.check_template(given["template"], ROOTS[trigger.kind], TENANT)
    changed = await asyncio.to_thread(context.automation.triggers.change, trigger.id, TENANT, given)
    return JSONResponse(trigger_document(changed))


@router.post("/{trigger_id}/test", response_model=TriedTriggerDocument, openapi_extra=body_of(TriggerTrial))
async def try_trigger(trigger_id: str, request: Request, context: Ctx) -> Response:
    """Which job an event, or a file of some name, would submit. Nothing is submitted."""
    wanted = check_fields(TriggerTrial, await read_object(request), "The trial is not valid.")
    trigger = await _get(context, trigger_id)
    values = _trial_values(trigger, wanted)
    context.automation.desk.order(trigger.template, values, Order(TENANT, "", ""))
    return JSONResponse(fill(trigger.template, values))


@router.post("/{trigger_id}/rotate", response_model=NewTriggerDocument)
async def rotate_secret(trigger_id: str, context: Ctx) -> Response:
    """A new secret, in this answer and in no other. The one before is good no more."""
    trigger = await _get(context, trigger_id)
    if trigger.kind is not Kind.WEBHOOK:
        raise Conflict("A folder has no secret.")
    changed = await asyncio.to_thread(
        context.automation.triggers.change, trigger.id, TENANT, {"secret": new_secret()}
    )
    return JSONResponse(_with_secret(changed), headers={"Cache-Control": "no-store"})


@router.delete("/{trigger_id}", status_code=204)
async def delete_trigger(trigger_id: str, context: Ctx) -> Response:
    """The jobs it has made stay."""
    await asyncio.to_thread(context.automation.triggers.delete, known_trigger(trigger_id), TENANT)
    return Response(status_code=204)


async def _get(context: Context, trigger_id: str) -> Trigger:
    return await asyncio.to_thread(context.automation.triggers.get, known_trigger(trigger_id), TENANT)


def _folder(wanted: TriggerRequest, context: Context) -> str | None:
    """Raises: InvalidInput."""
    if wanted.kind != "folder":
        faults = [FieldFault(name, "Only a folder has one.") for name in ("path", "pattern") if getattr(wanted, name)]
    else:
        try:
            return str(check_folder(wanted.path or "", context.settings.watched_roots))
        except (OSError, ValueError) as fault:
            faults = [FieldFault("path", f"Cannot be watched: {getattr(fault, 'strerror', None) or fault}.")]
    if faults:
        raise InvalidInput(_COMPLAINT, faults)
    return None


def _trial_values(trigger: Trigger, wanted: TriggerTrial) -> Mapping[str, Any]:
    if trigger.kind is Kind.WEBHOOK:
        return body_values(trigger, wanted.body)
    values = file_values(trigger, wanted.file, Stamp(1, 0))
    return values | {"file": values["file"] | {"upload": f"upload:{new_id()}"}}


def _with_secret(trigger: Trigger) -> dict[str, Any]:
    return trigger_document(trigger) | {"secret": trigger.secret}
