"""/v1/models: the catalog, as clients see it."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from api.context import Context, Ctx
from api.shapes.documents import ModelDocument, ModelListDocument, ProblemDocument, VersionListDocument
from api.watch.figures import WINDOW_S
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


@router.get("/{name}/versions", response_model=VersionListDocument)
async def list_versions(name: str, context: Ctx) -> Response:
    """Every version of a model, the oldest first, and how each did in the last minutes, as this process saw it."""
    newest = context.catalog.find(name.partition("@")[0])
    entries = [context.catalog.find(f"{newest.name}@{one}") for one in context.catalog.versions(newest.name)]
    return JSONResponse(
        {"name": newest.name, "versions": [_version(context, e) for e in entries], "window_s": WINDOW_S}
    )


def _version(context: Context, entry: Entry) -> dict[str, Any]:
    window, circuit = context.figures.of_version(entry.full_name), context.admission.circuit(entry.full_name)
    finished = window.count()
    ended = finished["succeeded"] + finished["failed"]
    return {
        "model": entry.full_name,
        "version": entry.version,
        "warm": entry.full_name in _warm(context),
        "circuit": circuit.state,
        "fault": circuit.reason or None,
        "finished": finished,
        "failure_rate": round(finished["failed"] / ended, 6) if ended else None,
        "wait_s": window.waits(),
        "run_s": window.runs(),
    }


def _warm(context: Context) -> set[str]:
    return {name for worker in context.hearing.workers() for name in worker.get("warm", ())}


def _document(context: Context, entry: Entry) -> dict[str, Any]:
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
        "warm": entry.full_name in _warm(context),
        "circuit": circuit.state,
        "fault": circuit.reason or None,
        "queue": entry.queue,
    }


def _limits(entry: Entry) -> dict[str, Any]:
    rules = {name: rule for name, rule in entry.input.get("properties", {}).items() if isinstance(rule, dict)}
    limits = {name: {limit: rule[limit] for limit in _LIMITS if limit in rule} for name, rule in rules.items()}
    return {"max_batch": entry.batch.max, "step_timeout_s": entry.limits.step_timeout_s, "input": limits}
