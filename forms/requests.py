"""What a client may say of a job: the envelope around a model's input, and how it becomes a submission."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from egress.addresses import Networks, check_url
from forms.media_inputs import needed_jobs, read_media
from forms.shadows import shadows_of
from forms.strict_json import fingerprint
from jobs.aliases import NO_ROUTES, Alias, Routes, choose
from jobs.errors import FieldFault, InvalidInput, ModelNotFound
from jobs.identity import new_job_id, parse_job_id
from jobs.values import PLAIN, Event, IfNeedFails, Lineage, Priority, Resend, Submission, Webhook
from models.catalog import Catalog
from models.entry import Entry
from models.sameness import cache_key

_METADATA_BYTES = 16 * 1024
_KEY_CHARACTERS = 255
_NEEDS_MOST = 100

Shape = TypeVar("Shape", bound=BaseModel)


class WebhookRequest(BaseModel):
    """Whom to tell of a job, and of which of its events."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Annotated[str, Field(description="http(s), 2,000 characters at most, no credentials, a public address")]
    events: Annotated[list[Literal["started", "completed"]], Field(min_length=1, max_length=2)] = ["completed"]

    @field_validator("url")
    @classmethod
    def _callable(cls, url: str, info: ValidationInfo) -> str:
        check_url(url, info.context or ())
        return url


class Envelope(BaseModel):
    """What may be said of a job and of a group alike."""

    model_config = ConfigDict(extra="forbid", strict=True)

    deadline: Annotated[str | None, Field(description="RFC 3339 with a time zone; not started by then: expired")] = (
        None
    )
    metadata: Annotated[dict[str, Any], Field(default_factory=dict, description="Up to 16 KiB, returned as given")]

    @field_validator("deadline")
    @classmethod
    def _moment(cls, text: str | None) -> str | None:
        if text is not None:
            parse_moment(text)
        return text

    @field_validator("metadata")
    @classmethod
    def _small(cls, metadata: dict[str, Any]) -> dict[str, Any]:
        if len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode()) > _METADATA_BYTES:
            raise ValueError("metadata may have 16 KiB")
        return metadata


class JobRequest(Envelope):
    """The body of POST /v1/jobs."""

    model: Annotated[str, Field(min_length=1, max_length=128, description="Name, alias or name@version")]
    input: Annotated[dict[str, Any], Field(description="Checked against the model's own JSON Schema")]
    priority: Literal["interactive", "batch"] = "interactive"
    webhook: WebhookRequest | None = None
    depends_on: Annotated[
        list[str],
        Field(default_factory=list, max_length=_NEEDS_MOST, description="Starts when these have succeeded"),
    ]
    on_dependency_failure: Annotated[
        Literal["fail", "skip", "run"], Field(description="What becomes of it when one of those does not succeed")
    ] = "fail"

    @field_validator("depends_on")
    @classmethod
    def _ids(cls, texts: list[str]) -> list[str]:
        ids = [parse_job_id(text) for text in texts]
        if None in ids:
            raise ValueError(f"{texts[ids.index(None)][:64]!r} is no id of a job")
        return list(dict.fromkeys(filter(None, ids)))


def parse_moment(text: str) -> datetime:
    """A moment in RFC 3339, in UTC. Raises: ValueError."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("a time zone is missing, such as Z")
        return moment.astimezone(UTC)
    except OverflowError as fault:
        raise ValueError("the year is out of range") from fault


def submission_of(
    body: dict[str, Any],
    catalog: Catalog,
    *,
    tenant: str,
    max_attempts: int,
    idempotency_key: str | None,
    resend_count: str | None = None,
    path: str = "",
    sent: dict[str, Any] | None = None,
    callable_networks: Networks = (),
    fresh: bool = False,
    routes: Routes = NO_ROUTES,
    sticky: str | None = None,
    job_id: str | None = None,
) -> Submission:
    """A checked submission. Webhooks may go to public addresses, and into `callable_networks`; a `fresh` job is done
    whether or not the same was done before. `sent`: the client's own words, where the body has become another. Where
    `routes` know the model's name, whoever is `sticky` always gets the same of its versions. `job_id`: where it is
    known already.

    Raises:
        InvalidInput: naming every field of the envelope, or of the model's input, that is wrong.
    """
    wanted = check_fields(JobRequest, body, "The job is not valid.", callable_networks)
    job_id = job_id or new_job_id()
    alias = routes.get((tenant, wanted.model))
    entry = _find(catalog, choose(alias, sticky or job_id) if alias else wanted.model)
    entry.validate_input(wanted.input)
    media = read_media(entry, wanted.input, callable_networks)
    resolved = entry.resolve(wanted.input)
    body_hash = fingerprint(sent or body) if idempotency_key or resend_count else ""
    submission = Submission(
        id=job_id,
        tenant=tenant,
        queue=entry.queue,
        model=entry.name,
        model_version=entry.version,
        priority=Priority[wanted.priority.upper()],
        input=wanted.input,
        metadata=wanted.metadata,
        batch_key=entry.batch_key(resolved),
        units=entry.units(resolved),
        steps=entry.steps(resolved),
        work=entry.work(resolved),
        max_attempts=max_attempts,
        deadline=parse_moment(wanted.deadline) if wanted.deadline else None,
        idempotency_key=idempotency_key,
        body_hash=body_hash,
        resend=_resend(resend_count, path, body_hash),
        webhook=_webhook(wanted.webhook),
        lineage=_lineage(wanted, alias),
        needs=tuple(dict.fromkeys((*wanted.depends_on, *needed_jobs(media)))),
        cache_key=None if fresh else cache_key(entry, resolved),
        media=media,
    )
    return replace(submission, shadows=shadows_of(submission, alias, catalog)) if alias else submission


def _find(catalog: Catalog, model: str) -> Entry:
    """Raises: InvalidInput, naming the field."""
    try:
        return catalog.find(model)
    except ModelNotFound as missing:
        raise InvalidInput(str(missing), [FieldFault("model", str(missing))]) from missing


def check_sticky(key: str | None) -> str | None:
    """Raises: InvalidInput, when it is longer than 255 characters."""
    if key is not None and len(key) > _KEY_CHARACTERS:
        fault = FieldFault("Safelight-Sticky", "May have 255 characters.")
        raise InvalidInput("The Safelight-Sticky is not valid.", [fault])
    return key or None


def check_idempotency_key(key: str | None) -> str | None:
    """Raises: InvalidInput, when the key is not 1 to 255 printable ASCII characters."""
    if key is not None and not (0 < len(key) <= _KEY_CHARACTERS and key.isascii() and key.isprintable()):
        detail = "Must be 1 to 255 printable ASCII characters."
        raise InvalidInput("The Idempotency-Key is not valid.", [FieldFault("Idempotency-Key", detail)])
    return key


def _resend(count: str | None, path: str, body_hash: str) -> Resend | None:
    """Clients of a well-known make number their sendings: 0 is the first, whatever follows a retry of it."""
    if count is None or not count.isascii() or not count.isdigit():
        return None
    return Resend(f"resend:{path}:{body_hash}", retry=int(count[:9]) > 0)


def _lineage(wanted: JobRequest, alias: Alias | None) -> Lineage:
    policy = IfNeedFails(wanted.on_dependency_failure)
    if policy is IfNeedFails.FAIL and alias is None:
        return PLAIN
    return Lineage(if_need_fails=policy, alias=alias.name if alias else None)


def _webhook(wanted: WebhookRequest | None) -> Webhook | None:
    return Webhook(wanted.url, tuple(dict.fromkeys(map(Event, wanted.events)))) if wanted else None


def check_fields(shape: type[Shape], body: dict[str, Any], complaint: str, context: Any = None) -> Shape:
    """The body as that shape. Raises: InvalidInput, with the complaint, naming each wrong field."""
    try:
        return shape.model_validate(body, context=context)
    except ValidationError as wrong:
        faults = [FieldFault(".".join(map(str, fault["loc"])), _sentence(fault)) for fault in wrong.errors()]
        raise InvalidInput(complaint, faults) from wrong


def _sentence(fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        return "There is no such field."
    return f"{str(fault['msg']).removeprefix('Value error, ')}."
