"""What clients order, whatever channel they use: submit a job, cancel it."""

import asyncio
from dataclasses import replace
from typing import Any

from api.context import TENANT, Context
from api.desk.receiving import take_in
from forms.media_inputs import needed_jobs
from forms.offer import Offer
from forms.requests import check_idempotency_key, check_sticky, submission_of
from jobs.errors import FieldFault, IdempotencyConflict, InvalidInput, JobNotFound
from jobs.identity import parse_job_id
from jobs.values import Job, Status, Submission
from storage.jobs.submissions import Submitted


def check_order(
    context: Context,
    body: dict[str, Any],
    *,
    tenant: str = TENANT,
    idempotency_key: str | None = None,
    resend_count: str | None = None,
    path: str = "",
    fresh: bool = False,
    sticky: str | None = None,
    sent: dict[str, Any] | None = None,
) -> Submission:
    """A submission that may be accepted; a `fresh` one is done although the same was done before. `sent`: what the
    client's wish is known again by, if not by the body.

    Raises:
        InvalidInput: naming each wrong field.
        Overloaded, CircuitOpen: not now.
    """
    submission = check_body(
        context,
        body,
        tenant=tenant,
        idempotency_key=check_idempotency_key(idempotency_key),
        resend_count=resend_count,
        path=path,
        fresh=fresh,
        sticky=check_sticky(sticky),
        sent=sent or body,
    )
    context.admission.check(f"{submission.model}@{submission.model_version}")
    return submission


def wants_fresh(cache_control: str | None) -> bool:
    """The result is not to be taken from the cache, nor to be left in it."""
    if not cache_control:
        return False
    words = {word.strip().lower() for word in cache_control.split(",")}
    return not words.isdisjoint({"no-cache", "no-store"})


def check_body(
    context: Context, body: dict[str, Any], *, tenant: str = TENANT, fresh: bool = False, **given: Any
) -> Submission:
    """The submission that a body makes, as its tenant's rules route it, whether or not another may be accepted.
    Raises: InvalidInput."""
    settings, rulebook = context.settings, context.automation.rulebook
    submission = submission_of(
        rulebook.apply(tenant, body),
        context.catalog,
        tenant=tenant,
        max_attempts=settings.max_attempts,
        callable_networks=settings.webhook_networks,
        fresh=fresh or not settings.result_cache,
        routes=context.routing.routes,
        **{"idempotency_key": None, "sent": body, **given},
    )
    return replace(submission, consequential=True) if rulebook.watches(tenant) else submission


def offer_of(context: Context, tenant: str = TENANT) -> Offer:
    return Offer(context.catalog, context.routing.routes, tenant)


async def submit(context: Context, submission: Submission) -> tuple[Job, bool]:
    """The committed job, and whether an earlier submit had made it.

    Raises:
        IdempotencyConflict: the key belongs to another body.
        InvalidInput: it depends on a job that is not there, or has media among its inputs that cannot be.
    """
    submitted = await context.intake.submit(await take_in(context, submission))
    if submitted.missing or submitted.faults:
        raise InvalidInput("The job is not valid.", lacking(submission, submitted))
    if submitted.job is None:
        raise IdempotencyConflict
    return submitted.job, submitted.replayed


async def cancel(context: Context, job_id: str, tenant: str = TENANT) -> Job:
    """A queued job is canceled at once, a running one at its next denoising step; a finished one stays."""
    job = await asyncio.to_thread(context.store.cancel, known_id(job_id), tenant)
    context.bus.changed()
    context.doorbell.ring_courier([job])
    if job.status is Status.RUNNING:
        context.bus.cancel(job.id)
    return job


def lacking(submission: Submission, submitted: Submitted) -> list[FieldFault]:
    """What a refused submission lacks, field by field."""
    inputs = needed_jobs(submission.media)  # those that are missing are named as inputs
    missing = [need for need in submitted.missing if need not in inputs]
    return [_no_such_need(submission, need) for need in missing] + list(submitted.faults)


def _no_such_need(submission: Submission, need: str) -> FieldFault:
    return FieldFault(f"depends_on.{submission.needs.index(need)}", f"There is no job {need}.")


def known_id(text: str) -> str:
    """Whatever is no id names no job. Raises: JobNotFound."""
    job_id = parse_job_id(text)
    if job_id is None:
        raise JobNotFound(f"There is no job {text[:64]!r}.")
    return job_id
