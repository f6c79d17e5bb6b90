"""Models and their versions. A version's id is name@version: predictions may name a version without its model."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from api.context import Ctx
from api.desk.pictures import origin_of
from api.replicate.references import version_of
from api.replicate.versions import version_document
from api.web.body import read_bounded
from jobs.prediction import OWNER
from models.entry import Entry

router = APIRouter(prefix="/models")


@router.get("")
async def list_models(request: Request, context: Ctx) -> Response:
    return _page([_model(entry, request) for entry in context.catalog])


@router.api_route("", methods=["QUERY"])
async def search_models(request: Request, context: Ctx) -> Response:
    """Those whose name or description has every word of the body."""
    asked = await read_bounded(request.headers.get("content-length", ""), request.receive)
    words = asked.decode(errors="replace").lower().split()
    found = [entry for entry in context.catalog if all(word in _searched(entry) for word in words)]
    return _page([_model(entry, request) for entry in found])


@router.get("/{owner}/{name}")
async def get_model(owner: str, name: str, request: Request, context: Ctx) -> Response:
    return JSONResponse(_model(version_of(context.catalog, name), request))


@router.get("/{owner}/{name}/versions")
async def list_versions(owner: str, name: str, context: Ctx) -> Response:
    """Newest first."""
    known = version_of(context.catalog, name)
    numbers = reversed(context.catalog.versions(known.name))
    return _page([version_document(version_of(context.catalog, known.name, number)) for number in numbers])


@router.get("/{owner}/{name}/versions/{version}")
async def getversion_document(owner: str, name: str, version: str, context: Ctx) -> Response:
    return JSONResponse(version_document(version_of(context.catalog, name, version)))


def _searched(entry: Entry) -> str:
    return " ".join([entry.name, *entry.aliases, entry.description]).lower()


def _page(results: list[dict[str, Any]]) -> Response:
    return JSONResponse({"previous": None, "next": None, "results": results})


def _model(entry: Entry, request: Request) -> dict[str, Any]:
    return {
        "url": f"{origin_of(request)}/v1/models/{entry.name}",
        "owner": OWNER,
        "name": entry.name,
        "description": entry.description,
        "visibility": "public",
        "github_url": None,
        "paper_url": None,
        "license_url": None,
        "run_count": 0,
        "cover_image_url": None,
        "default_example": None,
        "latest_version": version_document(entry),
    }
