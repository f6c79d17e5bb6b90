"""References: how an input that is media says where its bytes are. Pure; whether they are there nobody asks here."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from jobs.identity import parse_job_id

_INDEX = re.compile(r"\d{1,4}")
_SHOWN = 64


@dataclass(frozen=True, slots=True)
class UploadReference:
    """`upload:ID`"""

    upload_id: str


@dataclass(frozen=True, slots=True)
class OutputReference:
    """`job:ID#N`, the N-th output of a job of the same tenant, from 0; `job:ID` is its first."""

    job_id: str
    index: int


@dataclass(frozen=True, slots=True)
class UrlReference:
    """`https://…` or `http://…`: to be fetched."""

    url: str


@dataclass(frozen=True, slots=True)
class DataReference:
    """`data:…`: the bytes themselves."""

    media_type: str
    data: bytes


Reference = UploadReference | OutputReference | UrlReference | DataReference


@dataclass(frozen=True, slots=True)
class MediaInput:
    """An input of a job that is media, and the media types that the model accepts there."""

    name: str
    reference: Reference
    accepts: tuple[str, ...]


def parse_reference(text: str) -> Reference:
    """Raises: ValueError, with a sentence for the client."""
    kind, _, rest = text.partition(":")
    match kind.lower():
        case "upload":
            return UploadReference(_id(rest, "an upload"))
        case "job":
            return _output(rest)
        case "http" | "https":
            return UrlReference(text)
        case "data":
            return _data(rest)
    raise ValueError(f"{text[:_SHOWN]!r} is no upload:ID, no job:ID#N, and no URL of http, https or data")


def is_to_be_fetched(input: Mapping[str, Any]) -> bool:
    """May there be a URL among a job's inputs? A prompt that looks like one does no harm."""
    texts = (value for value in input.values() if isinstance(value, str))
    return any(text[:8].lower().startswith(("http://", "https://")) for text in texts)


def _id(text: str, what: str) -> str:
    known = parse_job_id(text)
    if known is None:
        raise ValueError(f"{text[:_SHOWN]!r} is not the id of {what}")
    return known


def _output(rest: str) -> OutputReference:
    job_id, mark, index = rest.partition("#")
    if mark and not (index.isascii() and _INDEX.fullmatch(index)):
        raise ValueError("behind # stands which output is meant: 0 is the first")
    return OutputReference(_id(job_id, "a job"), int(index) if mark else 0)


def _data(rest: str) -> DataReference:
    head, comma, body = rest.partition(",")
    if not comma:
        raise ValueError("a data URI has a comma before its data")
    media_type, *parameters = head.split(";")
    try:
        encoded = parameters[-1:] == ["base64"]
        data = base64.b64decode(unquote_to_bytes(body), validate=True) if encoded else unquote_to_bytes(body)
    except (binascii.Error, ValueError) as fault:
        raise ValueError("the data of this URI is not base64") from fault
    return DataReference(media_type.strip().lower(), data)
