"""/v1/models: the catalog, as clients see it."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from api.context import Context, Ctx
from api.documents import ModelDocument, ModelListDocument, ProblemDocument
from models.entry import Entry

_LIMITS = ("minimum", "maximum", "multipleOf", "maxLength", "enum")

router = APIRouter(prefix="/v1/models", tags=["models"], responses={404: {"model": ProblemDocument}})


@router.get("", response_model=ModelListDocument)
async def list_models(context: Ctx) -> Response:
    """Every model this installation knows, and the catalog files that could not be read."""
    broken = [{"file": one.file.name, "reason": one.reason} for one in context.catalog.broken]
    return JSONResponse({"models": [_document(context, e) for e in context.catalog], "broken": broken})


@router.get("/{name}", response_model=ModelDocument)
async def get_model(name: str, context: Ctx) -> Response:
    return JSONResponse(_document(context, context.catalog.find(name)))


def _document(context: Context, entry: Entry) -> dict[str, Any]:
    warm = {name for worker in context.hearing.workers() for name in worker.get("warm", ())}
    default = context.catalog.default()
    circuit = context.admission.circuit(entry.full_name)
    return {
        "name": entry.name,
        "default": default is not None and default.name == entry.name,
        "description": entry.description,
        "license": entry.license,
        "media_kind": entry.media_kind,
        "versions": context.catalog.versions(entry.name),
        "aliases": list(entry.aliases),
        "input_schema": entry.input,
        "limits": _limits(entry),
        "warm": entry.full_name in warm,
        "circuit": circuit.state,
        "fault": circuit.reason or None,
        "queue": entry.queue,
    }


def _limits(entry: Entry) -> dict[str, Any]:
    rules = {name: rule for name, rule in entry.input.get("properties", {}).items() if isinstance(rule, dict)}
    limits = {name: {limit: rule[limit] for limit in _LIMITS if limit in rule} for name, rule in rules.items()}
    return {"max_batch": entry.batch.max, "step_timeout_s": entry.limits.step_timeout_s, "input": limits}
