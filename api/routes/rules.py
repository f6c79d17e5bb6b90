"""/v1/rules: what shall follow when something happens to a job. Written down here; api.gate.rulebook applies routes,
workers.automation.rules does everything else."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from api.context import TENANT, Context, Ctx
from api.desk.orders import known_id
from api.shapes.automation import RuleDocument, RuleListDocument, TriedRulesDocument
from api.shapes.bodies import body_of
from api.shapes.documents import ProblemDocument
from api.web.body import read_object
from forms.desk import Order
from forms.requests import check_fields
from forms.rules import RuleChange, RuleRequest, TargetRequest, Targets, check_rule, follows
from jobs.document import Document
from jobs.errors import FieldFault, InvalidInput, RuleNotFound
from jobs.identity import new_id, parse_job_id
from jobs.rules import Rule, concerns, job_event, rule_document, rule_values
from jobs.templates import fill
from jobs.values import Event

_COMPLAINT = "The rule is not valid."


class Draft(BaseModel):
    """A rule that need not be written down to be tried."""

    model_config = ConfigDict(extra="forbid", strict=True)

    pattern: dict[str, Any]
    targets: Targets


class TrialRequest(BaseModel):
    """The body of POST /v1/rules/test: an event, as patterns see it, or a job of yours."""

    model_config = ConfigDict(extra="forbid", strict=True)

    on: Literal["submitted", "started", "completed"] = "completed"
    event: Annotated[dict[str, Any] | None, Field(description='{"model": "scenes", "metadata": {…}, …}')] = None
    job_id: str | None = None
    rule: Annotated[Draft | None, Field(description="Try this one, instead of those written down")] = None


router = APIRouter(
    prefix="/v1/rules",
    tags=["rules"],
    responses={status: {"model": ProblemDocument} for status in (404, 409, 413, 422, 503)},
)


@router.post("", status_code=201, response_model=RuleDocument, openapi_extra=body_of(RuleRequest))
async def create_rule(request: Request, context: Ctx) -> Response:
    """It concerns jobs that are submitted from now on; other API processes know it within a second."""
    networks = context.settings.webhook_networks
    wanted = check_fields(RuleRequest, await read_object(request), _COMPLAINT, networks)
    rule = _rule(wanted.name, Event(wanted.on), wanted.pattern, wanted.targets, context, wanted.enabled)
    made = await asyncio.to_thread(context.automation.rules.create, rule)
    await context.automation.rulebook.look()
    return JSONResponse(rule_document(made), 201, {"Location": f"/v1/rules/{made.id}"})


@router.get("", response_model=RuleListDocument)
async def list_rules(context: Ctx) -> Response:
    """By name; 200 at the most."""
    found = await asyncio.to_thread(context.automation.rules.list, TENANT)
    return JSONResponse({"rules": [rule_document(one) for one in found]})


@router.post("/test", response_model=TriedRulesDocument, openapi_extra=body_of(TrialRequest))
async def try_rules(request: Request, context: Ctx) -> Response:
    """Which rules an event would concern, and what they would do. Nothing is done."""
    networks = context.settings.webhook_networks
    wanted = check_fields(TrialRequest, await read_object(request), "The trial is not valid.", networks)
    event = Event(wanted.on)
    seen = await _seen(wanted, context)
    if wanted.rule:
        rules: Sequence[Rule] = [_rule("draft", event, wanted.rule.pattern, wanted.rule.targets, context)]
    else:
        rules = await asyncio.to_thread(context.automation.rules.list, TENANT)
    found = [rule for rule in rules if concerns(rule, TENANT, event, seen)]
    return JSONResponse({"event": seen, "matches": [_match(rule, seen, context) for rule in found]})


@router.get("/{rule_id}", response_model=RuleDocument)
async def get_rule(rule_id: str, context: Ctx) -> Response:
    return JSONResponse(rule_document(await asyncio.to_thread(context.automation.rules.get, _known(rule_id), TENANT)))


@router.patch("/{rule_id}", response_model=RuleDocument, openapi_extra=body_of(RuleChange))
async def change_rule(rule_id: str, request: Request, context: Ctx) -> Response:
    """Change what is given."""
    networks = context.settings.webhook_networks
    wanted = check_fields(RuleChange, await read_object(request), _COMPLAINT, networks)
    given: dict[str, Any] = {name: getattr(wanted, name) for name in wanted.model_fields_set}
    faults = [FieldFault(name, "Must not be null.") for name, value in given.items() if value is None]
    if faults:
        raise InvalidInput(_COMPLAINT, faults)
    rule = await asyncio.to_thread(context.automation.rules.get, _known(rule_id), TENANT)
    kept = check_rule(
        TENANT, rule.event, given.get("pattern", rule.pattern), given.get("targets", ()), context.automation.desk
    )
    if "targets" in given:
        given |= {"targets": kept, "follows": follows(kept)}
    return JSONResponse(
        rule_document(await asyncio.to_thread(context.automation.rules.change, rule.id, TENANT, given))
    )


@router.delete("/{rule_id}", status_code=204)
async def delete_rule(rule_id: str, context: Ctx) -> Response:
    """The jobs it has made stay."""
    await asyncio.to_thread(context.automation.rules.delete, _known(rule_id), TENANT)
    await context.automation.rulebook.look()
    return Response(status_code=204)


def _rule(
    name: str, event: Event, pattern: Any, targets: Sequence[TargetRequest], context: Context, enabled: bool = True
) -> Rule:
    """Raises: InvalidInput."""
    kept = check_rule(TENANT, event, pattern, targets, context.automation.desk)
    return Rule(new_id(), TENANT, name, event, pattern, kept, enabled, follows(kept), None, datetime.now(UTC))


async def _seen(wanted: TrialRequest, context: Context) -> Document:
    """The event that the trial is about."""
    if (wanted.event is None) == (wanted.job_id is None):
        raise InvalidInput("The trial is not valid.", [FieldFault("event", "Name either an event or a job_id.")])
    if wanted.job_id is None:
        return {"tenant": TENANT, **(wanted.event or {})}
    job = await asyncio.to_thread(context.store.get, known_id(wanted.job_id), TENANT)
    return job_event(job, job.status.value)


def _match(rule: Rule, seen: Document, context: Context) -> Document:
    targets = [_target(replace(rule, targets=[target]), seen, context) for target in rule.targets]
    return {"rule": {"id": rule.id, "name": rule.name}, "targets": targets}


def _target(rule: Rule, seen: Document, context: Context) -> Document:
    """What a rule of one target would do, or why it could not."""
    (target,) = rule.targets
    if "webhook" in target or "route" in target:
        return dict(target)
    values = rule_values(rule, seen)
    try:
        context.automation.desk.order(target, values, Order(TENANT, "", ""))
        return dict(fill(target, values))
    except InvalidInput as fault:
        return {"error": fault.told}


def _known(text: str) -> str:
    rule_id = parse_job_id(text)
    if rule_id is None:
        raise RuleNotFound(f"There is no rule {text[:64]!r}.")
    return rule_id
