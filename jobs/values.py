"""The values the whole house speaks in: a job, its outputs, its fault. Frozen; nothing here acts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from jobs.references import MediaInput


class Status(StrEnum):
    """Where a job stands. `waiting`: something that it needs is not there yet."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


FINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.EXPIRED})
RETRYABLE = frozenset({Status.FAILED, Status.CANCELED, Status.EXPIRED})


class Priority(IntEnum):
    """Claim order: the lower number first. Stored as the number, spoken as the word."""

    INTERACTIVE = 0
    BATCH = 1

    @property
    def word(self) -> str:
        return self.name.lower()


class Event(StrEnum):
    """What may happen to a job that others are told of."""

    SUBMITTED = "submitted"  # only rules follow this one
    STARTED = "started"  # its first claim
    COMPLETED = "completed"  # any final state; again if it is retried and ends again


class IfNeedFails(StrEnum):
    """What becomes of a job when one that it depends on ends without a result."""

    FAIL = "fail"
    SKIP = "skip"  # it is canceled
    RUN = "run"  # it runs all the same


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a job comes from and what it belongs to. Set when it is submitted; never changes."""

    group: str | None = None  # the group it is a member of
    member: str | None = None  # its name there
    first: int | None = None  # of that group so many may succeed, the first ones
    made_by: str | None = None  # what submitted it in a client's stead: "rule:ID", "schedule:ID", "batch:ID"
    depth: int = 0  # how many rules stand between a client's wish and this job
    if_need_fails: IfNeedFails = IfNeedFails.FAIL
    alias: str | None = None  # the name that was asked for, where it stands for several versions
    shadow_of: str | None = None  # the job whose work this one does again on another version, for comparison
    replay_of: str | None = None  # the job whose result this one shall reproduce
    rows: int | None = None  # runs alone, in a batch filled up to so many rows

    @property
    def original(self) -> str | None:
        """The job whose work is done again, whatever for; what it drew at random counts for this one too."""
        return self.replay_of or self.shadow_of

    @property
    def race(self) -> str | None:
        """The group of which only the first few may succeed."""
        return self.group if self.first else None


PLAIN = Lineage()


@dataclass(frozen=True, slots=True)
class Webhook:
    """Whom to tell of a job, and of which events."""

    url: str
    events: tuple[Event, ...]
    form: str = ""  # "replicate": told as a prediction of theirs, "openai": as an event of a video of theirs
    origin: str = ""  # of our addresses in that, as the client that asked for it reaches us


@dataclass(frozen=True, slots=True)
class Output:
    """One artifact of a job. `key` names its bytes in the artifact store: `<sha256>.<extension>`."""

    key: str
    sha256: str
    media_type: str
    bytes: int
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    seed: int | None = None

    @property
    def cells(self) -> dict[str, Any]:
        """By field, as rows hold it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an attempt did not succeed, as the client reads it."""

    code: str
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its row stands. The comments say how each field moves over time."""

    id: str  # UUIDv7 text, the message ID and the Celery task id; never changes
    tenant: str  # never changes
    queue: str  # hardware class; never changes
    model: str  # never changes
    model_version: str  # never changes
    priority: Priority  # never changes
    status: Status  # moves only through jobs.lifecycle
    input: Mapping[str, Any]  # as the client gave it; never changes
    metadata: Mapping[str, Any]  # as the client gave it; never changes
    batch_key: str | None  # jobs that share it may run in one batch; None runs alone; never changes
    units: int  # how many outputs it asks for, its weight in a batch; never changes
    steps: int  # denoising steps it will take, as far as its input tells; never changes
    work: float  # how much there is to do, in the model's own unit (megapixel steps); never changes
    webhook: Webhook | None  # whom to tell; never changes
    lineage: Lineage  # never changes
    needs: tuple[str, ...]  # ids of the jobs and uploads that must be there before it is queued; never changes
    cache_key: str | None  # the same for identical work, whose result may be used again; never changes
    consequential: bool  # its changes have consequences in other rows (storage.changes.consequences); may become true
    cached: bool  # its outputs are those of an earlier job; set with them
    context: Mapping[str, Any] | None  # what its outputs were made with, as far as it decides them; set with them
    seq: int  # +1 with every committed change
    attempt: int  # +1 with every claim; never falls
    max_attempts: int  # +1 with every hand-back and every manual retry
    strikes: int  # +1 with every attempt that was lost or failed; from the first on it runs alone
    fence: int  # +1 with every claim; never reset; every write of a worker is guarded by it
    worker: str | None  # who holds, or last held, the lease
    lease_until: datetime | None  # set while running
    run_after: datetime  # not claimed before; moved by back-off
    deadline: datetime | None  # not started by then: expired; cleared by a retry after that
    cancel_requested: bool  # set on a running job; the worker answers at its next step
    outputs: tuple[Output, ...]  # set once, on success
    error: Fault | None  # the last attempt's fault; cleared by success and by a manual retry
    created_at: datetime
    started_at: datetime | None  # the latest claim
    finished_at: datetime | None  # set with a final state; cleared by a retry
    load_s: float | None  # seconds the last attempt spent loading its model
    run_s: float | None  # seconds the last attempt spent generating

    @property
    def final(self) -> bool:
        return self.status in FINAL


@dataclass(frozen=True, slots=True)
class Attempt:
    """One claim of a job, and what became of it. `outcome` is None while it runs, else the verb that ended it."""

    job_id: str
    fence: int
    number: int
    worker: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    error: Fault | None
    details: str  # a traceback, where there is one


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running job is. Never committed; belongs to the change `seq` it was seen under."""

    job_id: str
    seq: int
    step: int
    steps: int
    preview: int | None = None  # the step that the newest preview shows

    @property
    def fraction(self) -> float:
        return min(1.0, self.step / self.steps) if self.steps > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an unfinished job stands by the last forecast. Never committed."""

    position: int | None  # in claim order, 1 is claimed next; None once it runs
    eta_s: float | None  # seconds until it is finished; None when nobody can tell


@dataclass(frozen=True, slots=True)
class Submission:
    """A valid request for a job, before it has a row. Once it is committed the client may hear 202."""

    id: str
    tenant: str
    queue: str
    model: str
    model_version: str
    priority: Priority
    input: Mapping[str, Any]
    metadata: Mapping[str, Any]
    batch_key: str | None
    units: int
    steps: int
    max_attempts: int
    deadline: datetime | None = None
    idempotency_key: str | None = None
    body_hash: str = ""  # of what the client sent; with the key it tells a replay from a conflict
    resend: "Resend | None" = None
    work: float = 0.0
    webhook: Webhook | None = None
    lineage: Lineage = PLAIN
    needs: tuple[str, ...] = ()
    cache_key: str | None = None
    consequential: bool = False
    media: tuple[MediaInput, ...] = ()  # those of its inputs that are media
    shadows: "tuple[Submission, ...]" = ()  # the same work on other versions, once this one has done it


@dataclass(frozen=True, slots=True)
class Resend:
    """A client that marks its retries but sends no key: `key` stands for who asked, what and where; a `retry`
    is answered with the job that the first sending made, if that was not long ago."""

    key: str
    retry: bool
