"""/v1/uploads: media that jobs take as inputs. The bytes are served as artifacts are."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from api.context import TENANT, Ctx
from api.desk.receiving import receive_upload
from api.shapes.documents import ProblemDocument
from api.shapes.uploads import UploadDocument, UploadListDocument
from api.web.paging import decode_cursor, encode_cursor
from jobs.errors import UploadNotFound
from jobs.identity import parse_job_id
from jobs.uploads import upload_document
from storage.media.artifacts import EXTENSIONS

_BYTES = {"type": "string", "format": "binary"}
_FORM = {"type": "object", "required": ["file"], "properties": {"file": _BYTES}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            **{media_type: {"schema": _BYTES} for media_type in EXTENSIONS},
            "multipart/form-data": {"schema": _FORM},
        },
    }
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {status: {"model": ProblemDocument} for status in (404, 409, 422, 503)}
_REFUSED: dict[int | str, dict[str, Any]] = {status: {"model": ProblemDocument} for status in (413, 415, 507)}

router = APIRouter(prefix="/v1/uploads", tags=["uploads"], responses=_PROBLEMS)


@router.post("", status_code=201, response_model=UploadDocument, openapi_extra=_BODY, responses=_REFUSED)
async def create_upload(request: Request, context: Ctx) -> Response:
    """Bring a picture, a sound or a film: as the body, with its Content-Type, or as `file` of a form. Inputs of jobs
    that are media may then say `upload:ID`."""
    upload = await receive_upload(context, request)
    headers = {"Location": f"/v1/uploads/{upload.id}"}
    return JSONResponse(upload_document(upload), HTTPStatus.CREATED, headers)


@router.get("", response_model=UploadListDocument)
async def list_uploads(
    context: Ctx,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Newest first; what is fetched for a job is among them. `next_cursor` is null on the last page."""
    before_id = decode_cursor(cursor) if cursor else None
    found = await asyncio.to_thread(context.uploads.list, TENANT, before_id=before_id, limit=limit + 1)
    page = found[:limit]
    more = encode_cursor(page[-1].id) if len(found) > limit else None
    return JSONResponse({"uploads": [upload_document(upload) for upload in page], "next_cursor": more})


@router.get("/{upload_id}", response_model=UploadDocument)
async def get_upload(upload_id: str, context: Ctx) -> Response:
    """What it is, and where its bytes are."""
    return JSONResponse(upload_document(await asyncio.to_thread(context.uploads.get, _known(upload_id), TENANT)))


@router.delete("/{upload_id}", status_code=204)
async def delete_upload(upload_id: str, context: Ctx) -> Response:
    """Forget it; 409 while a job that is not finished uses it."""
    await asyncio.to_thread(context.uploads.delete, _known(upload_id), TENANT)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _known(text: str) -> str:
    upload_id = parse_job_id(text)
    if upload_id is None:
        raise UploadNotFound(f"There is no upload {text[:64]!r}.")
    return upload_id
