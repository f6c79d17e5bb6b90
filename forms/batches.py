"""What a client may ask of a batch, and what each line of its file may say."""

import json
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from forms.batch_bodies import ENDPOINTS, JOBS
from forms.requests import check_fields
from forms.strict_json import parse_object
from jobs.errors import InvalidInput

LINE_BYTES_MOST = 1 << 20

_WINDOW = re.compile(r"([1-9]\d{0,5})([smhd])")
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_WINDOW_MOST_S = 30 * 86_400
_METADATA_BYTES = 16 * 1024


class ExpiryRequest(BaseModel):
    """How long results are kept."""

    model_config = ConfigDict(extra="forbid", strict=True)

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=3_600, le=2_592_000)]


class BatchRequest(BaseModel):
    """The body of POST /openai/v1/batches."""

    model_config = ConfigDict(extra="forbid", strict=True)

    input_file_id: str
    endpoint: Literal[ENDPOINTS]  # type: ignore[valid-type]
    completion_window: str
    metadata: dict[str, Any] | None = None
    output_expires_after: ExpiryRequest | None = None

    @field_validator("completion_window")
    @classmethod
    def _bounded(cls, text: str) -> str:
        window_seconds(text)
        return text

    @field_validator("metadata")
    @classmethod
    def _small(cls, metadata: dict[str, Any] | None) -> dict[str, Any] | None:
        if (
            metadata
            and len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode()) > _METADATA_BYTES
        ):
            raise ValueError("metadata may have 16 KiB")
        return metadata


class LineRequest(BaseModel):
    """One line of a batch's file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    custom_id: Annotated[str, Field(min_length=1, max_length=255)]
    method: Literal["POST"] = "POST"
    url: str | None = None
    body: dict[str, Any]


class LineFault(Exception):
    """A line that makes no job, and why, in the words of the error file."""

    def __init__(self, code: str, message: str, param: str | None = None, custom_id: str | None = None) -> None:
        super().__init__(message)
        self.custom_id = custom_id
        self.error = {"code": code, "message": message, "param": param}


@dataclass(frozen=True, slots=True)
class Line:
    """A line that says what it should; whether its body makes a job is another question."""

    custom_id: str
    body: dict[str, Any]


def window_seconds(text: str) -> int:
    """Seconds of a window such as 24h. Raises: ValueError."""
    found = _WINDOW.fullmatch(text)
    seconds = int(found[1]) * _UNITS_S[found[2]] if found else 0
    if not 0 < seconds <= _WINDOW_MOST_S:
        raise ValueError("must be a time such as 24h or 90m, 30d at the most")
    return seconds


def read_line(raw: bytes | None, endpoint: str) -> Line:
    """What a line says; None stands for one that is too long to be read.

    Raises:
        LineFault: the line is none, or asks for something else than its batch.
    """
    if raw is None:
        raise LineFault("line_too_long", f"A line may have {LINE_BYTES_MOST} bytes.")
    try:
        said = parse_object(raw)
    except InvalidInput as fault:
        param = fault.faults[0].field if fault.faults else None
        raise LineFault("invalid_json_line", str(fault).replace("The body", "The line"), param) from fault
    named = said.get("custom_id")
    custom_id = named if isinstance(named, str) and 0 < len(named) <= 255 else None
    try:
        asked = check_fields(LineRequest, said, "The line is not valid.")
    except InvalidInput as fault:
        raise fault_of(fault, custom_id, endpoint, "invalid_request") from fault
    if asked.url not in (None, endpoint):
        raise LineFault("mismatched_url", f"The batch is for {endpoint}, not for this.", "url", custom_id)
    return Line(asked.custom_id, asked.body)


def fault_of(error: InvalidInput, custom_id: str | None, endpoint: str, code: str = "invalid_value") -> LineFault:
    """The same in the words of the error file. Elsewhere than with jobs, inputs stand beside the other parameters."""
    inside = "" if endpoint == JOBS else "input."
    fields = [fault.field.removeprefix(inside) for fault in error.faults]
    told = [f"{field}: {fault.detail}" for field, fault in zip(fields[:5], error.faults, strict=False)]
    return LineFault(code, " ".join([str(error), *told]), fields[0] if fields else None, custom_id)
