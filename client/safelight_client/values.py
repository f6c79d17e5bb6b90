"""What the server tells of jobs, groups, outputs and models, as frozen values. A newer server may say more than
these fields: `raw` keeps the whole document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Status = Literal["waiting", "queued", "running", "succeeded", "failed", "canceled", "expired"]
GroupStatus = Literal["waiting", "running", "succeeded", "partial", "failed", "canceled"]
Priority = Literal["interactive", "batch"]
Document = Mapping[str, Any]

FINAL = frozenset({"succeeded", "failed", "canceled", "expired"})
ENDED = frozenset({"succeeded", "partial", "failed", "canceled"})


@dataclass(frozen=True)
class Output:
    """One artifact. `url` may be a path on the server."""

    url: str
    media_type: str
    bytes: int
    sha256: str
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    seed: int | None = None


@dataclass(frozen=True)
class JobError:
    """Why the last attempt at a job did not succeed."""

    code: str
    message: str
    retryable: bool


@dataclass(frozen=True)
class Timings:
    """Seconds; `load_s` and `run_s` are of the attempt that succeeded."""

    queued_s: float | None = None
    load_s: float | None = None
    run_s: float | None = None
    total_s: float | None = None


@dataclass(frozen=True)
class Job:
    """A job as it stood at `seq`. A later `seq` is a later truth; under one `seq` only progress moves."""

    id: str
    status: Status
    seq: int
    model: str
    model_version: str
    priority: Priority
    input: Document = field(hash=False)
    metadata: Document = field(hash=False)
    depends_on: tuple[str, ...]
    group: str | None
    made_by: str | None
    alias: str | None
    shadow_of: str | None
    replay_of: str | None
    progress: float
    step: int
    steps: int
    preview_url: str | None
    queue_position: int | None
    eta_s: float | None
    attempt: int
    max_attempts: int
    cancel_requested: bool
    outputs: tuple[Output, ...]
    error: JobError | None
    context: Document | None = field(hash=False)
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    timings: Timings
    cost: float | None
    cached: bool
    urls: Document = field(hash=False)
    raw: Document = field(hash=False, compare=False, repr=False)

    @property
    def final(self) -> bool:
        """Nothing but a retry changes it any more."""
        return self.status in FINAL

    @property
    def succeeded(self) -> bool:
        return self.status == "succeeded"


@dataclass(frozen=True)
class Member:
    """One job of a group, `id`. `joined`: its outputs are among the group's."""

    name: str
    id: str
    status: str
    progress: float
    joined: bool


@dataclass(frozen=True)
class Group:
    """Several jobs as one, as they stood at `seq`. `outputs` are there as soon as the join is decided."""

    id: str
    status: GroupStatus
    seq: int
    members: tuple[Member, ...]
    outputs: tuple[Output, ...]
    progress: float
    error: JobError | None
    metadata: Document = field(hash=False)
    created_at: datetime
    finished_at: datetime | None
    raw: Document = field(hash=False, compare=False, repr=False)

    @property
    def final(self) -> bool:
        """Its last member is over."""
        return self.status in ENDED

    @property
    def succeeded(self) -> bool:
        return self.status == "succeeded"


@dataclass(frozen=True)
class Model:
    """One model of the server's catalog, with the JSON Schema of its input."""

    name: str
    default: bool
    media_kind: str
    versions: tuple[str, ...]
    input_schema: Document = field(hash=False)
    limits: Document = field(hash=False)
    warm: bool
    circuit: str
    queue: str
    raw: Document = field(hash=False, compare=False, repr=False)


def job_of(document: Document) -> Job:
    """The job in a server's document.

    Raises:
        KeyError, TypeError, ValueError: it is no job.
    """
    return Job(
        id=document["id"],
        status=document["status"],
        seq=document["seq"],
        model=document["model"],
        model_version=document["model_version"],
        priority=document["priority"],
        input=document["input"],
        metadata=document["metadata"],
        depends_on=tuple(document.get("depends_on", ())),
        group=document.get("group"),
        made_by=document.get("made_by"),
        alias=document.get("alias"),
        shadow_of=document.get("shadow_of"),
        replay_of=document.get("replay_of"),
        progress=document["progress"],
        step=document["step"],
        steps=document["steps"],
        preview_url=document.get("preview_url"),
        queue_position=document.get("queue_position"),
        eta_s=document.get("eta_s"),
        attempt=document["attempt"],
        max_attempts=document["max_attempts"],
        cancel_requested=document.get("cancel_requested", False),
        outputs=tuple(Output(**_known(Output, output)) for output in document["outputs"]),
        error=JobError(**_known(JobError, document["error"])) if document["error"] else None,
        context=document.get("context"),
        created_at=_parse_moment(document["created_at"]),
        started_at=_moment(document.get("started_at")),
        finished_at=_moment(document.get("finished_at")),
        timings=Timings(**_known(Timings, document.get("timings", {}))),
        cost=document.get("cost"),
        cached=document.get("cached", False),
        urls=document.get("urls", {}),
        raw=document,
    )


def group_of(document: Document) -> Group:
    """The group in a server's document. Raises: as `job_of`."""
    return Group(
        id=document["id"],
        status=document["status"],
        seq=document["seq"],
        members=tuple(Member(**_known(Member, member)) for member in document["members"]),
        outputs=tuple(Output(**_known(Output, output)) for output in document["outputs"]),
        progress=document["progress"],
        error=JobError(**_known(JobError, document["error"])) if document["error"] else None,
        metadata=document["metadata"],
        created_at=_parse_moment(document["created_at"]),
        finished_at=_moment(document.get("finished_at")),
        raw=document,
    )


def model_of(document: Document) -> Model:
    """The model in a server's document. Raises: as `job_of`."""
    given = _known(Model, document)
    return Model(**{**given, "versions": tuple(document["versions"]), "raw": document})


def _known(kind: Any, document: Document) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name in kind.__dataclass_fields__}


def _moment(text: str | None) -> datetime | None:
    return _parse_moment(text) if text else None


def _parse_moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))  # Python 3.10 does not read Z
