"""The frames of the WebSocket: what a client may say, as models that check it, and what the server answers."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from api.shapes.documents import JobDocument, ProblemDocument
from api.shapes.groups import GroupDocument
from forms.strict_json import fit_member
from jobs.errors import FieldFault, InvalidInput

IDS_MOST = 1_000  # in one frame

Ref = Annotated[str | int | None, Field(description="Echoed in the answer")]
Ids = Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=IDS_MOST)]


class _ClientFrame(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    ref: Ref = None


class Submit(_ClientFrame):
    """Submit a job. Its changes are followed on this socket without a subscription."""

    type: Literal["submit"]
    job: Annotated[dict[str, Any], Field(description="As the body of POST /v1/jobs")]
    idempotency_key: Annotated[str | None, Field(description="As the header of POST /v1/jobs")] = None
    no_cache: Annotated[bool, Field(description="As Cache-Control: no-cache of POST /v1/jobs")] = False
    sticky: Annotated[str | None, Field(description="As Safelight-Sticky of POST /v1/jobs")] = None


class _Choice(_ClientFrame):
    ids: Ids | None = None
    all: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> "_Choice":
        if (self.ids is None) == (not self.all):
            raise ValueError("name either ids or all")
        return self


class Subscribe(_Choice):
    """Hear the present state of these jobs and groups, then every change; `all`: of all that the tenant has."""

    type: Literal["subscribe"]


class Unsubscribe(_Choice):
    """Hear no more of these jobs and groups."""

    type: Literal["unsubscribe"]


class Cancel(_ClientFrame):
    """Cancel a job or a group; its state follows as a frame."""

    type: Literal["cancel"]
    id: Annotated[str, Field(max_length=64)]


class Ping(_ClientFrame):
    """Answered by a pong."""

    type: Literal["ping"]


ClientFrame = Submit | Subscribe | Unsubscribe | Cancel | Ping

_CLIENT_FRAME: TypeAdapter[ClientFrame] = TypeAdapter(Annotated[ClientFrame, Field(discriminator="type")])


class _ServerFrame(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Accepted(_ServerFrame):
    """The job is committed. Comes before any `job` frame of that id."""

    type: Literal["accepted"]
    ref: Ref = None
    job: JobDocument


class JobFrame(_ServerFrame):
    """The whole job as it stands now. Its `seq` never goes back."""

    type: Literal["job"]
    job: JobDocument


class GroupFrame(_ServerFrame):
    """The whole group as it stands now. Its `seq` never goes back."""

    type: Literal["group"]
    group: GroupDocument


class ErrorFrame(_ServerFrame):
    """What was asked was not done. `id` names the job or group, where it is about one."""

    type: Literal["error"]
    ref: Ref = None
    id: str | None = None
    problem: ProblemDocument


class Pong(_ServerFrame):
    """The answer to a ping."""

    type: Literal["pong"]
    ref: Ref = None


ServerFrame = Accepted | JobFrame | GroupFrame | ErrorFrame | Pong


def parse_frame(said: dict[str, Any]) -> ClientFrame:
    """Raises: InvalidInput, naming each wrong field."""
    try:
        return _CLIENT_FRAME.validate_python(said)
    except ValidationError as wrong:
        raise InvalidInput("The frame is not valid.", [_fault(fault) for fault in wrong.errors()]) from wrong


def ref_in(text: str) -> Ref:
    """The ref of a frame that is refused unread, where it has one: whoever asked waits for the answer."""
    ref = fit_member(text, "ref")
    return ref if isinstance(ref, str | int) else None


def accepted(ref: Ref, job_text: str) -> str:
    """`job_text` is the job's document as JSON: written once, sent to many."""
    return f'{{"type":"accepted",{_ref(ref)}"job":{job_text}}}'


def state_frame(kind: str, text: str) -> str:
    """Of a job or a group."""
    return f'{{"type":"{kind}","{kind}":{text}}}'


def error(problem: dict[str, Any], ref: Ref = None, job_id: str | None = None) -> str:
    about = {"id": job_id} if job_id else {}
    return json.dumps({"type": "error", **({} if ref is None else {"ref": ref}), **about, "problem": problem})


def pong(ref: Ref) -> str:
    return f'{{"type":"pong",{_ref(ref)}'.rstrip(",") + "}"


def _ref(ref: Ref) -> str:
    return "" if ref is None else f'"ref":{json.dumps(ref)},'


def _fault(fault: Any) -> FieldFault:
    path: Sequence[str | int] = fault["loc"]
    words = [str(part) for part in path if part not in ("submit", "subscribe", "unsubscribe", "cancel", "ping")]
    detail = "There is no such field." if fault["type"] == "extra_forbidden" else f"{fault['msg']}."
    return FieldFault(".".join(words) or "type", detail)
