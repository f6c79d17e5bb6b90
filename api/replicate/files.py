"""Files that their client sends before it names them in a prediction: uploads, under an address of ours."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import UploadFile

from api.context import TENANT, Ctx
from api.desk.pictures import origin_of
from api.desk.receiving import bring
from api.web.body import MAX_BODY_BYTES
from api.web.multipart import pieces_of, read_form
from forms.strict_json import parse_object
from jobs.document import timestamp
from jobs.errors import FieldFault, InvalidInput, UploadNotFound
from jobs.identity import parse_job_id
from jobs.uploads import Upload
from models.entry import Entry

_AT_A_TIME = 1 << 20
_LISTED = 100
_PATH = "/replicate/v1/files/"

router = APIRouter(prefix="/files")


@router.post("")
async def create_file(request: Request, context: Ctx) -> Response:
    """A form with the file as `content`, and perhaps `metadata`, which is answered and not kept."""
    form = await read_form(request, context.settings.max_upload_bytes + MAX_BODY_BYTES, most_files=2)
    content, metadata = form.get("content"), form.get("metadata")
    if not isinstance(content, UploadFile):
        raise InvalidInput("The form is not valid.", [FieldFault("content", "This file is required.")])
    said = await metadata.read(_AT_A_TIME) if isinstance(metadata, UploadFile) else str(metadata or "{}").encode()
    meant = parse_object(said)
    upload = await bring(context, pieces_of(content), content.content_type, content.filename)
    return JSONResponse(_document(upload, origin_of(request), meant), HTTPStatus.CREATED)


@router.get("")
async def list_files(request: Request, context: Ctx) -> Response:
    """The newest."""
    found = await asyncio.to_thread(context.uploads.list, TENANT, limit=_LISTED)
    results = [_document(upload, origin_of(request)) for upload in found if upload.key]
    return JSONResponse({"previous": None, "next": None, "results": results})


@router.get("/{file_id}")
async def get_file(file_id: str, request: Request, context: Ctx) -> Response:
    upload = await asyncio.to_thread(context.uploads.get, _known(file_id), TENANT)
    return JSONResponse(_document(upload, origin_of(request)))


@router.delete("/{file_id}", status_code=204)
async def delete_file(file_id: str, context: Ctx) -> Response:
    await asyncio.to_thread(context.uploads.delete, _known(file_id), TENANT)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def with_references(given: Mapping[str, Any], entry: Entry, origin: str) -> dict[str, Any]:
    """The inputs of a prediction; what names one of these files refers to the upload."""
    start = origin + _PATH
    return {
        name: f"upload:{value.removeprefix(start)}"
        if name in entry.media_inputs and isinstance(value, str) and value.startswith(start)
        else value
        for name, value in given.items()
    }


def _document(upload: Upload, origin: str, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "id": upload.id,
        "name": upload.filename or upload.id,
        "content_type": upload.media_type or "application/octet-stream",
        "size": upload.bytes or 0,
        "etag": upload.sha256 or "",
        "checksums": {"sha256": upload.sha256 or ""},
        "metadata": metadata or {},
        "created_at": timestamp(upload.created_at),
        "expires_at": timestamp(upload.expires_at),
        "urls": {"get": f"{origin}{_PATH}{upload.id}"},
    }


def _known(text: str) -> str:
    upload_id = parse_job_id(text)
    if upload_id is None:
        raise UploadNotFound(f"There is no file {text[:64]!r}.")
    return upload_id
