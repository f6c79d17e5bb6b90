"""/v1/artifacts: the bytes of outputs, with ETag, Range and caching for ever: a key names its content."""

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import Response

from api.context import TENANT, Context, Ctx
from api.shapes.documents import ProblemDocument
from api.web.downloads import Download
from api.web.problems import problem
from storage.media.artifacts import MEDIA_TYPES

GUARDED = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}

router = APIRouter(prefix="/v1/artifacts", tags=["artifacts"], responses={404: {"model": ProblemDocument}})


@router.api_route("/{key}", methods=["GET", "HEAD"], response_class=Download)
async def get_artifact(key: str, context: Ctx, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """Served while some job lists it."""
    path = await find_listed(context, key)
    if path is None:
        return problem(HTTPStatus.NOT_FOUND, "There is no such artifact.")
    digest, _, extension = key.partition(".")
    headers = {"ETag": f'"{digest}"', **GUARDED}
    if if_none_match and (digest in if_none_match or if_none_match.strip() == "*"):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    media_type = MEDIA_TYPES.get(extension, "application/octet-stream")
    return Download(path, headers=headers, media_type=media_type)


async def find_listed(context: Context, key: str) -> Path | None:
    """The file behind a key that some job lists; None for anything else that is asked for."""
    known = context.artifacts.find(key) is not None
    listed = known and await asyncio.to_thread(context.store.lists_artifact, key, TENANT)
    return context.artifacts.find(key) if listed else None  # looked up last: a sweep may just have moved it
