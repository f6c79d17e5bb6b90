"""What a client may say of a group, and the order it becomes. Its members are checked as jobs are."""

import hashlib
import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from egress.addresses import Networks
from forms.members import Draft, draft_members
from forms.requests import Envelope, WebhookRequest, check_fields, parse_moment
from forms.strict_json import fingerprint
from jobs.errors import FieldFault, InvalidInput
from jobs.groups import ALL, GroupOrder, Join, OnFailure
from jobs.identity import new_id, new_job_id
from jobs.values import Submission

MEMBERS_MOST = 200

Check = Callable[[dict[str, Any], str], Submission]

_FAULTS_MOST = 50
_PATH = r"^[a-z0-9_]{1,64}(\.[a-z0-9_]{1,64}){0,7}$"
_COMPLAINT = "The group is not valid."


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class MetricRequest(_Part):
    metric: Annotated[
        str,
        Field(pattern=_PATH, description="A number in the job's document, such as `timings.run_s`"),
    ]
    order: Literal["min", "max"] = "max"


class JoinRequest(_Part):
    """Which results make the group's: all; the first so many that succeed, whereupon the others are canceled; or the
    best by a number, once all are over."""

    first: Annotated[int | None, Field(ge=1, le=MEMBERS_MOST)] = None
    best: MetricRequest | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_word(cls, said: Any) -> Any:
        if said in ("all", "any"):
            return {} if said == "all" else {"first": 1}
        if not isinstance(said, dict) or len(said) != 1 or None in said.values():
            raise ValueError('say "all", "any", {"first": 2} or {"best": {"metric": "…"}}')
        return said


_JOIN_SCHEMA = {
    "anyOf": [
        {"enum": ["all", "any"]},
        {"type": "object", "required": ["first"], "properties": {"first": {"type": "integer", "minimum": 1}}},
        {"type": "object", "required": ["best"], "properties": {"best": MetricRequest.model_json_schema()}},
    ],
    "description": inspect.cleandoc(JoinRequest.__doc__ or ""),
}


class FanOutRequest(_Part):
    """One input for each of the models with each of the seeds."""

    input: dict[str, Any]
    models: Annotated[list[Annotated[str, Field(min_length=1, max_length=128)]], Field(min_length=1, max_length=200)]
    seeds: Annotated[list[int], Field(max_length=MEMBERS_MOST, description="None: one job for each model")] = []


class GroupWebhookRequest(WebhookRequest):
    """Whom to tell of the group's end."""

    @field_validator("events")
    @classmethod
    def _end_only(cls, events: list[str]) -> list[str]:
        if events != ["completed"]:
            raise ValueError("a group's webhook is told of its end alone: completed")
        return events


class GroupRequest(Envelope):
    """The body of POST /v1/groups: `members` or `fan_out`."""

    members: Annotated[
        list[dict[str, Any]] | None,
        Field(
            min_length=1,
            max_length=MEMBERS_MOST,
            description="Each as the body of POST /v1/jobs, with a `name` by which others may depend on it, and use "
            "its outputs as `job:NAME#0`",
        ),
    ] = None
    fan_out: FanOutRequest | None = None
    join: Annotated[JoinRequest, WithJsonSchema(_JOIN_SCHEMA)] = JoinRequest.model_construct()
    on_member_failure: Annotated[
        Literal["fail_fast", "continue"] | None, Field(description="Default: fail_fast for `all`, else continue")
    ] = None
    priority: Literal["interactive", "batch"] | None = None
    webhook: GroupWebhookRequest | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "GroupRequest":
        if (self.members is None) == (self.fan_out is None):
            raise ValueError("name either members or fan_out")
        return self


def group_order_of(
    body: Mapping[str, Any],
    check: Check,
    *,
    tenant: str,
    idempotency_key: str | None = None,
    callable_networks: Networks = (),
) -> GroupOrder:
    """A checked order. `check` makes a submission of the body of a job, under this id.

    Raises:
        InvalidInput: naming every field that is wrong, those of members as `members.N.…`.
    """
    wanted = check_fields(GroupRequest, dict(body), _COMPLAINT, callable_networks)
    drafts = _fanned_out(wanted.fan_out) if wanted.fan_out else draft_members(wanted.members or [])
    join = _join(wanted, len(drafts))
    order = GroupOrder(
        id=new_id(),
        tenant=tenant,
        join=join,
        on_failure=OnFailure(wanted.on_member_failure or ("fail_fast" if join == ALL else "continue")),
        members=(),
        deadline=parse_moment(wanted.deadline) if wanted.deadline else None,
        metadata=wanted.metadata,
        webhook=wanted.webhook.url if wanted.webhook else None,
    )
    priority = {"priority": wanted.priority} if wanted.priority else {}
    submissions = _submissions([replace(draft, body={**priority, **draft.body}) for draft in drafts], check)
    members = [
        _as_member(order, *pair, position) for position, pair in enumerate(zip(submissions, drafts, strict=True))
    ]
    if idempotency_key:
        members[0] = replace(members[0], idempotency_key=idempotency_key, body_hash=fingerprint(body))
    return replace(order, members=members)


def _join(wanted: GroupRequest, count: int) -> Join:
    """Raises: InvalidInput, when more are to be first than there are."""
    first, best = wanted.join.first, wanted.join.best
    if first is not None and first > count:
        detail = f"There are {count} members: the first {first} of them cannot be had."
        raise InvalidInput(_COMPLAINT, [FieldFault("join.first", detail)])
    return Join(first=first) if best is None else Join(metric=best.metric, least=best.order == "min")


def _fanned_out(wanted: FanOutRequest) -> list[Draft]:
    """Raises: InvalidInput, when that makes too many."""
    seeds: list[dict[str, Any]] = [{"seed": seed} for seed in wanted.seeds] or [{}]
    if len(wanted.models) * len(seeds) > MEMBERS_MOST:
        raise InvalidInput(_COMPLAINT, [FieldFault("fan_out", f"A group has {MEMBERS_MOST} members at most.")])
    bodies = [
        {"model": model, "input": {**wanted.input, **seed}} for model, seed in itertools.product(wanted.models, seeds)
    ]
    return [Draft("fan_out", str(position), new_job_id(), body) for position, body in enumerate(bodies)]


def _submissions(drafts: Sequence[Draft], check: Check) -> list[Submission]:
    """Raises: InvalidInput, with what is wrong with any of them."""
    checked: list[Submission] = []
    faults: dict[tuple[str, str], FieldFault] = {}
    for draft in drafts:
        try:
            checked.append(check(draft.body, draft.job_id))
        except InvalidInput as wrong:
            for fault in wrong.faults or [FieldFault("", str(wrong))]:
                path = f"{draft.path}.{fault.field}".rstrip(".")
                faults[path, fault.detail] = FieldFault(path, fault.detail)
    if faults:
        raise InvalidInput(_COMPLAINT, list(faults.values())[:_FAULTS_MOST])
    return checked


def _as_member(order: GroupOrder, submission: Submission, draft: Draft, position: int) -> Submission:
    first = order.join.first
    deadlines = [moment for moment in (order.deadline, submission.deadline) if moment]
    return replace(
        submission,
        lineage=replace(submission.lineage, group=order.id, member=draft.name, first=first),
        consequential=True,
        deadline=min(deadlines, default=None),
        batch_key=_heat(submission.batch_key, order.id, position // first) if first else submission.batch_key,
    )


def _heat(batch_key: str | None, group_id: str, number: int) -> str | None:
    """Of those who race, no more share a batch than may succeed: the others would cost the device their time."""
    return batch_key and hashlib.sha256(f"{batch_key}/{group_id}/{number}".encode()).hexdigest()
