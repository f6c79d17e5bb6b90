"""The manifest inside each artifact: what determines the media, and nothing else. No job id, time or worker: the
same work has the same bytes. In what circumstances it was done is `models.context`, kept with the job."""

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

from PIL import Image

from models.entry import Entry
from models.runner import Request

Manifest = Mapping[str, Any]

KEY = "safelight"  # of the PNG's text chunk
_ANSWERED_BY_US = frozenset({"count", "exact"})  # they say how many, and how they are run


def describe(entry: Entry, weights: str | None, request: Request, seed: int | None) -> Manifest:
    """Of one output: its model, its weights and the whole input that makes it, alone, again. Media among the inputs
    are named by their content: the same picture may have many addresses.

    Raises:
        OSError: a media input cannot be read.
    """
    resolved = {name: value for name, value in request.input.items() if name not in _ANSWERED_BY_US}
    for name, attachment in request.media.items():
        with attachment.path.open("rb") as file:
            resolved[name] = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    if seed is not None:
        resolved["seed"] = seed
    named = {KEY: 1, "model": entry.name, "version": entry.version, "weights": weights, "input": resolved}
    return {name: value for name, value in named.items() if value is not None}


def as_text(manifest: Manifest) -> str:
    """In ASCII, which every container takes, and always in the same order."""
    return json.dumps(manifest, sort_keys=True, separators=(",", ":"))


def read_manifest(data: bytes, media_type: str) -> dict[str, Any] | None:
    """The manifest that an artifact carries; None where there is none, or it cannot be read."""
    readers = {"image/png": _text_of_png, "video/mp4": _text_of_mp4, "audio/wav": _text_of_wav}
    try:
        found = json.loads(readers[media_type](data))
    except (KeyError, ValueError, OSError, SyntaxError):
        return None
    return found if isinstance(found, dict) and KEY in found else None


def _text_of_png(data: bytes) -> str:
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        return str(image.info[KEY])


def _text_of_mp4(data: bytes) -> str:
    import av

    with av.open(io.BytesIO(data), format="mp4") as container:  # its errors are OSErrors or ValueErrors
        return container.metadata["comment"]


def _text_of_wav(data: bytes) -> str:
    if data[:4] + data[8:12] != b"RIFFWAVE":
        raise ValueError("not a WAV file")
    return _chunks(_chunks(data[12:])[b"LIST"][4:])[b"ICMT"].rstrip(b"\0").decode("ascii")


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """Of a RIFF file: names and contents. They begin at even places."""
    found, place = {}, 0
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        found[data[place : place + 4]] = data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
    return found
