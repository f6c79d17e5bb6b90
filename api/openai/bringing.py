"""Pictures that a client sends along with its wish: they become uploads, and inputs of the jobs."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile

from api.context import Context
from api.desk import orders
from api.desk.receiving import bring
from api.openai.placing import place
from api.web.body import MAX_BODY_BYTES
from api.web.multipart import pieces_of, read_form
from api.web.problems import NotFinished
from forms.dialect import Wish
from jobs.errors import FieldFault, InvalidInput
from jobs.values import Job

_FILES_MOST = 16
_NO_UPLOAD = "upload:00000000-0000-7000-8000-000000000000"


async def read_wish(request: Request, context: Context, field: str) -> tuple[dict[str, Any], list[UploadFile]]:
    """The fields of a form, and its files, which all stand under one name.

    Raises:
        TooLarge: all in all it is larger than one upload may be.
        InvalidInput: there is a file elsewhere, or no file where one should be.
    """
    form = await read_form(request, context.settings.max_upload_bytes + MAX_BODY_BYTES, _FILES_MOST)
    given = form.pop(field, [])
    files = given if isinstance(given, list) else [given]
    faults = [FieldFault(field, "Must be a file.") for file in files if not isinstance(file, UploadFile)]
    faults += [FieldFault(name, "No model here takes this file.") for name, value in form.items() if _is_file(value)]
    if faults:
        raise InvalidInput("The form is not valid.", faults)
    return form, files


async def place_with(
    request: Request, context: Context, files: Sequence[UploadFile], wish_of: Callable[[Sequence[str]], Wish]
) -> list[Job]:
    """The committed jobs, as `placing.place`. Tried first without the pictures, so that none is stored in vain. Sent
    again, the same pictures come as other uploads: the wish is known again by what is in them.

    Raises:
        InvalidInput: also when a picture is none.
        NotFinished: nobody waits for it any more.
    """
    for body in wish_of([_NO_UPLOAD] * len(files)).jobs:
        orders.check_order(context, body)
    uploads = [await bring(context, pieces_of(file), file.content_type, file.filename) for file in files]
    if await request.is_disconnected():  # it may have sent this again already, and that may have made the jobs
        raise NotFinished("The client has gone away; no job was made.")
    likeness = wish_of([f"sha256:{upload.sha256}" for upload in uploads])
    return await place(request, context, wish_of([f"upload:{upload.id}" for upload in uploads]), likeness)


def _is_file(value: Any) -> bool:
    return isinstance(value, UploadFile) or (isinstance(value, list) and any(map(_is_file, value)))
