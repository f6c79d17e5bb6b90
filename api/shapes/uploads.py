"""The shapes of answers about uploads, for /openapi.json."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class UploadDocument(BaseModel):
    """Media for inputs. `reference` is what an input says of it; what is told of the bytes is null until they are
    fetched, where they come from a `source_url`."""

    model_config = ConfigDict(extra="forbid")

    id: str
    status: Literal["pending", "ready", "failed"]
    reference: str
    url: str | None
    media_type: str | None
    bytes: int | None
    sha256: str | None
    width: int | None
    height: int | None
    filename: str | None
    source_url: str | None
    error: str | None
    created_at: str
    expires_at: str | None


class UploadListDocument(BaseModel):
    model_config = ConfigDict(extra="forbid")

    uploads: list[UploadDocument]
    next_cursor: str | None
