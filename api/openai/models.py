"""Models, as the `openai` client lists them."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from api.context import Ctx
from models.entry import Entry

router = APIRouter(prefix="/models")


@router.get("")
async def list_models(context: Ctx) -> Response:
    return JSONResponse({"object": "list", "data": [_document(entry) for entry in context.catalog]})


@router.get("/{name}")
async def get_model(name: str, context: Ctx) -> Response:
    """By name, alias or name@version."""
    return JSONResponse(_document(context.catalog.find(name)))


def _document(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.name,
        "object": "model",
        "created": 0,  # nobody wrote down when a model came into the catalog
        "owned_by": "safelight",
        "version": entry.version,
        "description": entry.description,
        "media_kind": entry.media_kind,
        "input_schema": entry.input,
    }
