"""/v1/schedules: jobs by the clock. Written down here; the reaper that leads fires them."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from api.context import TENANT, Ctx
from api.shapes.automation import ScheduleDocument, ScheduleListDocument, TicksDocument
from api.shapes.bodies import body_of
from api.shapes.documents import ProblemDocument
from api.web.body import read_object
from forms.desk import Desk
from forms.requests import check_fields
from forms.templates import Body, Group, TemplateRequest, take_template
from jobs.document import timestamp
from jobs.errors import FieldFault, InvalidInput, ScheduleNotFound
from jobs.identity import new_id, parse_job_id
from jobs.schedules import CatchUp, Schedule, check_cron, next_tick, schedule_document

_ROOTS = ("schedule",)
_COMPLAINT = "The schedule is not valid."

Name = Annotated[str, Field(min_length=1, max_length=128, description="Unique among your schedules")]
Cron = Annotated[str, Field(max_length=100, description="Five fields, or six with seconds before them")]
Zone = Annotated[str, Field(max_length=64, description="Of the IANA database: Europe/Vienna")]
Missed = Annotated[Literal["none", "last", "all"], Field(description="What becomes of ticks that nobody saw")]


class ClockRequest(BaseModel):
    """The body of POST /v1/schedules/test."""

    model_config = ConfigDict(extra="forbid", strict=True)

    cron: Cron
    timezone: Zone = "UTC"
    count: Annotated[int, Field(ge=1, le=100)] = 5


class ScheduleRequest(TemplateRequest):
    """The body of POST /v1/schedules. `${schedule.tick}` is filled."""

    name: Name
    cron: Cron
    timezone: Zone = "UTC"
    catch_up: Missed = "last"
    enabled: bool = True


class ScheduleChange(BaseModel):
    """The body of PATCH /v1/schedules/ID: what is given is changed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name | None = None
    cron: Cron | None = None
    timezone: Zone | None = None
    catch_up: Missed | None = None
    enabled: bool | None = None
    job: Body = None
    group: Group = None


router = APIRouter(
    prefix="/v1/schedules",
    tags=["schedules"],
    responses={status: {"model": ProblemDocument} for status in (404, 409, 413, 422, 503)},
)


@router.post("", status_code=201, response_model=ScheduleDocument, openapi_extra=body_of(ScheduleRequest))
async def create_schedule(request: Request, context: Ctx) -> Response:
    """Have a job made at each tick, from the next one on."""
    wanted = check_fields(ScheduleRequest, await read_object(request), _COMPLAINT)
    now = datetime.now(UTC)
    schedule = Schedule(
        id=new_id(),
        tenant=TENANT,
        name=wanted.name,
        cron=wanted.cron,
        timezone=wanted.timezone,
        catch_up=CatchUp(wanted.catch_up),
        enabled=wanted.enabled,
        template=wanted.template,
        next_at=None,
        last_at=None,
        last_made_id=None,
        last_error=None,
        created_at=now,
    )
    _check(schedule, context.automation.desk, now)
    made = await asyncio.to_thread(context.automation.schedules.create, schedule)
    return JSONResponse(schedule_document(made), 201, {"Location": f"/v1/schedules/{made.id}"})


@router.get("", response_model=ScheduleListDocument)
async def list_schedules(context: Ctx) -> Response:
    """By name; 1,000 at the most."""
    found = await asyncio.to_thread(context.automation.schedules.list, TENANT)
    return JSONResponse({"schedules": [schedule_document(one) for one in found]})


@router.post("/test", response_model=TicksDocument, openapi_extra=body_of(ClockRequest))
async def test_clock(request: Request) -> Response:
    """When it would tick next."""
    wanted = check_fields(ClockRequest, await read_object(request), _COMPLAINT)
    tick: datetime | None = datetime.now(UTC)
    assert tick is not None
    check_cron(wanted.cron, wanted.timezone, tick)
    ticks: list[str | None] = []
    while len(ticks) < wanted.count and (tick := next_tick(wanted.cron, wanted.timezone, tick)):
        ticks.append(timestamp(tick))
    return JSONResponse({"ticks": ticks})


@router.get("/{schedule_id}", response_model=ScheduleDocument)
async def get_schedule(schedule_id: str, context: Ctx) -> Response:
    found = await asyncio.to_thread(context.automation.schedules.get, _known(schedule_id), TENANT)
    return JSONResponse(schedule_document(found))


@router.patch("/{schedule_id}", response_model=ScheduleDocument, openapi_extra=body_of(ScheduleChange))
async def change_schedule(schedule_id: str, request: Request, context: Ctx) -> Response:
    """Change what is given. Another clock begins with its next tick; so does one that is enabled again."""
    given = check_fields(ScheduleChange, await read_object(request), _COMPLAINT).model_dump(exclude_unset=True)
    faults = [FieldFault(name, "Must not be null.") for name, value in given.items() if value is None]
    if faults:
        raise InvalidInput(_COMPLAINT, faults)
    take_template(given, _COMPLAINT)
    if "catch_up" in given:
        given["catch_up"] = CatchUp(given["catch_up"])
    store, schedule_id = context.automation.schedules, _known(schedule_id)
    before = await asyncio.to_thread(store.get, schedule_id, TENANT)
    _check(replace(before, **given), context.automation.desk, datetime.now(UTC))
    return JSONResponse(schedule_document(await asyncio.to_thread(store.change, schedule_id, TENANT, given)))


@router.delete("/{schedule_id}", status_code=204)
async def delete_schedule(schedule_id: str, context: Ctx) -> Response:
    """The jobs it has made stay."""
    await asyncio.to_thread(context.automation.schedules.delete, _known(schedule_id), TENANT)
    return Response(status_code=204)


def _check(schedule: Schedule, desk: Desk, now: datetime) -> None:
    """Raises: InvalidInput."""
    check_cron(schedule.cron, schedule.timezone, now)
    desk.check_template(schedule.template, _ROOTS, schedule.tenant)


def _known(text: str) -> str:
    schedule_id = parse_job_id(text)
    if schedule_id is None:
        raise ScheduleNotFound(f"There is no schedule {text[:64]!r}.")
    return schedule_id
