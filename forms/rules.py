"""What a client may say of a rule: its pattern, and what shall follow."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from egress.addresses import check_url
from forms.desk import Desk
from jobs.errors import FieldFault, InvalidInput
from jobs.patterns import check_pattern
from jobs.rules import ROOTS
from jobs.values import Event

_COMPLAINT = "The rule is not valid."


class NoticeRequest(BaseModel):
    """Whom to tell: signed, tried again and listed as the webhooks of jobs are."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Annotated[str, Field(description="http(s), 2,000 characters at most, no credentials, a public address")]

    @field_validator("url")
    @classmethod
    def _callable(cls, url: str, info: ValidationInfo) -> str:
        check_url(url, info.context or ())
        return url


class RouteRequest(BaseModel):
    """What a submit shall say instead of what it says."""

    model_config = ConfigDict(extra="forbid", strict=True)

    priority: Literal["interactive", "batch"] | None = None
    model: Annotated[str | None, Field(min_length=1, max_length=128)] = None

    @model_validator(mode="after")
    def _something(self) -> "RouteRequest":
        if self.priority is None and self.model is None:
            raise ValueError("name a priority or a model")
        return self


class TargetRequest(BaseModel):
    """One thing that shall follow."""

    model_config = ConfigDict(extra="forbid", strict=True)

    job: Annotated[dict[str, Any] | None, Field(description="As POST /v1/jobs, with `${job.…}` in it")] = None
    group: Annotated[dict[str, Any] | None, Field(description="As POST /v1/groups, likewise")] = None
    webhook: NoticeRequest | None = None
    route: RouteRequest | None = None

    @model_validator(mode="after")
    def _one(self) -> "TargetRequest":
        if sum(part is not None for part in (self.job, self.group, self.webhook, self.route)) != 1:
            raise ValueError("name one of job, group, webhook and route")
        return self


Targets = Annotated[list[TargetRequest], Field(min_length=1, max_length=5)]


class RuleRequest(BaseModel):
    """The body of POST /v1/rules."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1, max_length=128, description="Unique among your rules")]
    on: Literal["submitted", "started", "completed"]
    pattern: Annotated[dict[str, Any], Field(description="As Amazon EventBridge has them")]
    targets: Targets
    enabled: bool = True


class RuleChange(BaseModel):
    """The body of PATCH /v1/rules/ID: what is given is changed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str | None, Field(min_length=1, max_length=128)] = None
    pattern: dict[str, Any] | None = None
    targets: Targets | None = None
    enabled: bool | None = None


def check_rule(
    tenant: str, event: Event, pattern: Any, targets: Sequence[TargetRequest], desk: Desk
) -> list[dict[str, Any]]:
    """The targets as they are kept.

    Raises:
        InvalidInput: naming what cannot be.
    """
    check_pattern(pattern)
    faults = [
        fault for number, target in enumerate(targets) for fault in _faults(tenant, event, number, target, desk)
    ]
    if faults:
        raise InvalidInput(_COMPLAINT, faults)
    return [target.model_dump(exclude_unset=True) for target in targets]


def follows(targets: Sequence[dict[str, Any]]) -> bool:
    """Is there any that follows a change of a job? Routes come before there is one."""
    return any("route" not in target for target in targets)


def _faults(tenant: str, event: Event, number: int, target: TargetRequest, desk: Desk) -> list[FieldFault]:
    field = f"targets.{number}"
    if target.route:
        return _faults_of_route(tenant, event, f"{field}.route", target.route, desk)
    if target.webhook is None:
        try:
            desk.check_template(target.model_dump(exclude_unset=True), ROOTS, tenant)
        except InvalidInput as wrong:
            return [FieldFault(f"{field}.{fault.field}", fault.detail) for fault in wrong.faults]
    return []


def _faults_of_route(tenant: str, event: Event, field: str, route: RouteRequest, desk: Desk) -> list[FieldFault]:
    if event is not Event.SUBMITTED:
        return [FieldFault(field, "Only what is submitted can be routed.")]
    if route.model and not desk.knows(tenant, route.model):
        return [FieldFault(f"{field}.model", f"There is no model {route.model!r} here.")]
    return []
