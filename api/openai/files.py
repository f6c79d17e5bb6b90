"""Files, as the `openai` client brings, lists and reads them. However large one is, it is never whole in memory."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from api.context import TENANT, Context, Ctx
from api.openai.pages import page_document
from api.web.downloads import Download
from api.web.streamed_form import Form, read_form
from jobs.errors import FieldFault, FileMissing, InvalidInput
from jobs.files import BATCH_OUTPUT, FILE_BYTES_MOST, File
from jobs.identity import new_file_id
from storage.batches.file_folder import Draft, is_file_id

_PURPOSES = ("assistants", "batch", "evals", "fine-tune", "user_data", "vision")
_KEEP_S = range(3_600, 2_592_001)

router = APIRouter(prefix="/files")


@router.post("")
async def create_file(request: Request, context: Ctx) -> Response:
    """Keep a file of 200 MB at the most. Its bytes are on disk, and its row is committed, before the answer."""
    draft = context.file_folder.draft()
    await asyncio.to_thread(draft.open)
    try:
        form = await read_form(request, "file", draft.write, FILE_BYTES_MOST)
        return JSONResponse(file_document(await asyncio.to_thread(_keep, context, draft, form)))
    finally:
        await asyncio.to_thread(draft.close)


@router.get("")
async def list_files(
    context: Ctx,
    after: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    order: Literal["asc", "desc"] = "desc",
    purpose: Annotated[str | None, Query(max_length=32)] = None,
) -> Response:
    if purpose is not None and purpose not in (*_PURPOSES, BATCH_OUTPUT):
        raise InvalidInput("A parameter is not valid.", [FieldFault("purpose", "There is no such purpose.")])
    files = await asyncio.to_thread(
        context.files.page,
        TENANT,
        purpose=purpose,
        after=known_file(after) if after else None,
        limit=limit + 1,
        oldest_first=order == "asc",
    )
    return JSONResponse(page_document([file_document(file) for file in files], limit))


@router.get("/{file_id}")
async def get_file(file_id: str, context: Ctx) -> Response:
    return JSONResponse(file_document(await asyncio.to_thread(context.files.get, known_file(file_id), TENANT)))


@router.delete("/{file_id}")
async def delete_file(file_id: str, context: Ctx) -> Response:
    """Forget a file. While a batch reads it: 409."""
    await asyncio.to_thread(context.files.delete, known_file(file_id), TENANT)
    await asyncio.to_thread(context.file_folder.discard, file_id)
    return JSONResponse({"id": file_id, "object": "file", "deleted": True})


@router.api_route("/{file_id}/content", methods=["GET", "HEAD"])
async def get_content(file_id: str, context: Ctx) -> Response:
    """The bytes; ranges are served."""
    file = await asyncio.to_thread(context.files.get, known_file(file_id), TENANT)
    path = context.file_folder.find(file.id)
    if path is None:
        raise FileMissing(f"The bytes of {file_id} are gone.")
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
    return Download(path, media_type="application/octet-stream", filename=file.filename, headers=headers)


def file_document(file: File) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": int(file.created_at.timestamp()),
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
    }
    if file.expires_at:
        document["expires_at"] = int(file.expires_at.timestamp())
    return document


def known_file(text: str) -> str:
    """Whatever is no id names no file. Raises: FileMissing."""
    if not is_file_id(text):
        raise FileMissing(f"There is no file {text[:64]!r}.")
    return text


def keep_seconds(anchor: Any, seconds: Any, field: str) -> int:
    """How long to keep a file, of `expires_after` as the client sends it. Raises: InvalidInput."""
    if anchor != "created_at":
        raise InvalidInput("The file is not valid.", [FieldFault(f"{field}.anchor", "Must be created_at.")])
    text = str(seconds)
    if isinstance(seconds, bool) or not (
        text.isascii() and text.isdigit() and len(text) < 9 and int(text) in _KEEP_S
    ):
        detail = f"Must be {_KEEP_S[0]} to {_KEEP_S[-1]}."
        raise InvalidInput("The file is not valid.", [FieldFault(f"{field}.seconds", detail)])
    return int(text)


def _keep(context: Context, draft: Draft, form: Form) -> File:
    """Bytes first, then the row. Raises: InvalidInput."""
    purpose = form.fields.pop("purpose", "")
    expiry = {name: form.fields.pop(f"expires_after[{name}]", None) for name in ("anchor", "seconds")}
    faults = [FieldFault(name[:64], "There is no such field.") for name in form.fields]
    if form.filename is None:
        faults.append(FieldFault("file", "This field is required."))
    if purpose not in _PURPOSES:
        faults.append(FieldFault("purpose", f"Must be one of {', '.join(_PURPOSES)}."))
    if faults:
        raise InvalidInput("The file is not valid.", faults)
    keep_s = keep_seconds(expiry["anchor"], expiry["seconds"], "expires_after") if any(expiry.values()) else None
    file_id = new_file_id()
    draft.publish(file_id)
    return context.files.add(file_id, TENANT, purpose, form.filename or "file", draft.bytes, keep_s)
