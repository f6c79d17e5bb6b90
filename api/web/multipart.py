"""Form bodies, as strictly as JSON ones: bounded in size, without NUL, no name twice."""

import re
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.types import Message

from api.web.body import MAX_BODY_BYTES
from api.web.problems import TooLarge
from forms.strict_json import check_texts
from jobs.errors import FieldFault, InvalidInput

FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")

_FIELDS_MOST = 200
_AT_A_TIME = 1 << 20
_NESTED = re.compile(r"([^\[\]]+)\[([^\[\]]*)\]")


def is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() in FORMS


async def read_form(request: Request, most_bytes: int = MAX_BODY_BYTES, most_files: int = 0) -> dict[str, Any]:
    """The fields of a form. `name[key]` is a member of the object `name`, `name[]` one of the list `name`. A file is
    an `UploadFile`.

    Raises:
        TooLarge: more than `most_bytes`.
        InvalidInput: a name twice, or text that is none.
        HTTPException: 400, for what is no form, or one with more files than that.
    """
    bounded = Request(request.scope, _bounded(request, most_bytes))
    try:
        form = await bounded.form(max_files=most_files, max_fields=_FIELDS_MOST)
    except LookupError as fault:  # a charset that is none for text
        raise InvalidInput("The form is not in UTF-8.") from fault
    fields: dict[str, Any] = {}
    for name, value in form.multi_items():
        _put(fields, name, value)
    check_texts(fields)
    return fields


async def pieces_of(file: UploadFile) -> AsyncIterator[bytes]:
    """The bytes of a file in a form, once."""
    try:
        while piece := await file.read(_AT_A_TIME):
            yield piece
    finally:
        await file.close()


def _bounded(request: Request, most_bytes: int) -> Any:
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > most_bytes:
            raise TooLarge(f"A body may have {most_bytes} bytes.")
        return message

    return receive


def _put(fields: dict[str, Any], name: str, value: Any) -> None:
    """Raises: InvalidInput, when there is something of that name already."""
    nested = _NESTED.fullmatch(name)
    if nested is None:
        place: dict[str, Any] = fields
        key = name
    elif nested[2]:
        place, key = fields.setdefault(nested[1], {}), nested[2]
    else:
        several = fields.setdefault(nested[1], [])
        if isinstance(several, list):
            several.append(value)
            return
        place, key = fields, nested[1]
    if not isinstance(place, dict) or key in place:
        raise InvalidInput("The form is not valid.", [FieldFault(name[:64], "Stands there twice.")])
    place[key] = value
