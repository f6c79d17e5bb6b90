"""What clients order of groups, whatever channel they use: submit one, cancel it, retry it."""

import asyncio
from dataclasses import replace
from typing import Any

from api.context import TENANT, Context
from api.desk import orders
from api.desk.receiving import take_in
from forms.groups import group_order_of
from forms.media_inputs import needed_jobs
from forms.requests import check_idempotency_key
from jobs.errors import FieldFault, GroupNotFound, IdempotencyConflict, InvalidInput
from jobs.groups import Group, GroupOrder
from jobs.identity import parse_job_id
from jobs.values import Status, Submission
from storage.jobs.groups import Moved, Ordered

_COMPLAINT = "The group is not valid."


async def submit(
    context: Context,
    body: dict[str, Any],
    *,
    tenant: str = TENANT,
    idempotency_key: str | None = None,
    fresh: bool = False,
) -> tuple[Group, bool]:
    """The committed group, and whether an earlier submit had made it. One transaction of its own: a group is a batch
    already.

    Raises:
        InvalidInput: naming each wrong field.
        IdempotencyConflict: the key belongs to another body.
        Overloaded, CircuitOpen: not now.
    """
    order = group_order_of(
        body,
        lambda job, job_id: orders.check_body(context, job, tenant=tenant, fresh=fresh, job_id=job_id),
        tenant=tenant,
        idempotency_key=check_idempotency_key(idempotency_key),
        callable_networks=context.settings.webhook_networks,
    )
    return await accept(context, order)


async def accept(context: Context, order: GroupOrder) -> tuple[Group, bool]:
    """The same for an order that is checked. Raises: see `submit`."""
    order = replace(order, members=[await _taken_in(context, *pair) for pair in enumerate(order.members)])
    context.admission.check(*(f"{member.model}@{member.model_version}" for member in order.members))
    ordered = await asyncio.to_thread(context.groups.submit, order)
    if ordered.lacking:
        raise InvalidInput(_COMPLAINT, _lacks(order, ordered))
    if ordered.group is None:
        raise IdempotencyConflict
    if ordered.jobs:
        context.doorbell.ring_for(ordered.jobs)
        context.bus.changed()
    return ordered.group, ordered.replayed


async def cancel(context: Context, group_id: str, tenant: str = TENANT) -> Group:
    """Queued members are canceled at once, running ones at their next step; what is over stays."""
    moved = await asyncio.to_thread(context.groups.cancel, known_group(group_id), tenant)
    return _announce(context, moved)


async def retry(context: Context, group_id: str, tenant: str = TENANT) -> Group:
    """Queue again those members that ended without a result. Raises: Conflict."""
    moved = await asyncio.to_thread(context.groups.retry, known_group(group_id), tenant)
    return _announce(context, moved)


def known_group(text: str) -> str:
    """Whatever is no id names no group. Raises: GroupNotFound."""
    group_id = parse_job_id(text)
    if group_id is None:
        raise GroupNotFound(f"There is no group {text[:64]!r}.")
    return group_id


def _announce(context: Context, moved: Moved) -> Group:
    context.bus.changed()
    context.doorbell.ring_for(moved.jobs)
    for job in moved.jobs:
        if job.status is Status.RUNNING:
            context.bus.cancel(job.id)
    if moved.group.final and moved.group.webhook:
        context.doorbell.ring_delivery(moved.group.id)
    return moved.group


async def _taken_in(context: Context, position: int, member: Submission) -> Submission:
    try:
        return await take_in(context, member)
    except InvalidInput as wrong:
        faults = [FieldFault(f"members.{position}.{fault.field}", fault.detail) for fault in wrong.faults]
        raise InvalidInput(_COMPLAINT, faults) from wrong


def _lacks(order: GroupOrder, ordered: Ordered) -> list[FieldFault]:
    faults: list[FieldFault] = []
    for position, member in enumerate(order.members):
        if lacking := ordered.lacking.get(member.id):
            missing = [need for need in lacking.missing if need not in needed_jobs(member.media)]
            named = [FieldFault("depends_on", f"There is no job {need}.") for need in missing] + [*lacking.faults]
            faults += [FieldFault(f"members.{position}.{fault.field}", fault.detail) for fault in named]
    return faults
