"""/v1/aliases: names that stand for several versions of models, with shares, shadows and a way back."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from api.context import TENANT, Context, Ctx
from api.shapes.bodies import body_of
from api.shapes.documents import AliasDocument, AliasListDocument, ProblemDocument
from api.web.body import read_object
from forms.requests import check_fields
from jobs.aliases import Alias, Shadow, Target
from jobs.document import Document, timestamp
from jobs.errors import AliasNotFound, FieldFault, InvalidInput, ModelNotFound

_MODEL = Field(max_length=128, pattern=r"^[^@]+@[^@]+$", description="name@version")
_NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"


class TargetRequest(BaseModel):
    """A version, and its share beside the others' weights."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: Annotated[str, _MODEL]
    weight: Annotated[int, Field(ge=0, le=1_000_000)] = 1


class ShadowRequest(BaseModel):
    """A version that does so many of a hundred jobs again, for comparison."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: Annotated[str, _MODEL]
    percent: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


class AliasRequest(BaseModel):
    """The body of POST /v1/aliases."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=_NAME)]
    targets: Annotated[list[TargetRequest], Field(min_length=1, max_length=20)]
    shadows: Annotated[list[ShadowRequest], Field(max_length=5)] = []

    @field_validator("targets", "shadows")
    @classmethod
    def _distinct(cls, some: list[Any]) -> list[Any]:
        models = [one.model for one in some]
        if len(set(models)) != len(models):
            raise ValueError("a version stands there twice")
        return some

    @model_validator(mode="after")
    def _some_weight(self) -> "AliasRequest":
        if not sum(target.weight for target in self.targets):
            raise ValueError("one of the targets needs a weight")
        return self


class RollBackRequest(BaseModel):
    """The body of POST /v1/aliases/NAME/rollback."""

    model_config = ConfigDict(extra="forbid", strict=True)

    to: Annotated[int | None, Field(ge=1, le=1 << 31, description="A revision; default: the one before")] = None


router = APIRouter(
    prefix="/v1/aliases",
    tags=["aliases"],
    responses={status: {"model": ProblemDocument} for status in (404, 409, 413, 422, 503)},
)


@router.post("", response_model=AliasDocument, openapi_extra=body_of(AliasRequest, required=True))
async def put_alias(request: Request, context: Ctx) -> Response:
    """Make an alias, or a new revision of one. In force at once here, and within a second everywhere."""
    wanted = check_fields(AliasRequest, await read_object(request), "The alias is not valid.")
    _check_models(context, wanted)
    targets = [Target(one.model, one.weight) for one in wanted.targets]
    shadows = [Shadow(one.model, float(one.percent)) for one in wanted.shadows]
    await asyncio.to_thread(context.routing.aliases.put, TENANT, wanted.name, targets, shadows)
    return await _shown(context, wanted.name)


@router.get("", response_model=AliasListDocument)
async def list_aliases(context: Ctx) -> Response:
    found = await asyncio.to_thread(context.routing.aliases.all, TENANT)
    return JSONResponse({"aliases": [_revision(alias) for alias in found]})


@router.get("/{name}", response_model=AliasDocument)
async def get_alias(name: str, context: Ctx) -> Response:
    """With all its revisions, the newest first, and how its shadows did."""
    return await _shown(context, name)


@router.post("/{name}/rollback", response_model=AliasDocument, openapi_extra=body_of(RollBackRequest, required=False))
async def roll_back(name: str, request: Request, context: Ctx) -> Response:
    """What an earlier revision said is in force again, as a new revision."""
    body = await read_object(request) if request.headers.get("content-length", "0") != "0" else {}
    wanted = check_fields(RollBackRequest, body, "The roll back is not valid.")
    await asyncio.to_thread(context.routing.aliases.roll_back, TENANT, _known(name), wanted.to)
    return await _shown(context, name)


@router.delete("/{name}", status_code=204)
async def delete_alias(name: str, context: Ctx) -> Response:
    """With all its revisions."""
    await asyncio.to_thread(context.routing.aliases.delete, TENANT, _known(name))
    await asyncio.to_thread(context.routing.look)
    return Response(status_code=204)


async def _shown(context: Context, name: str) -> Response:
    history = await asyncio.to_thread(context.routing.aliases.history, TENANT, _known(name))
    compared = await asyncio.to_thread(context.routing.aliases.comparisons, TENANT, name)
    await asyncio.to_thread(context.routing.look)
    revisions = [_revision(alias) for alias in history]
    return JSONResponse(revisions[0] | {"revisions": revisions, "comparisons": list(map(_comparison, compared))})


def _revision(alias: Alias) -> Document:
    return {
        "name": alias.name,
        "revision": alias.revision,
        "restores": alias.restores,
        "targets": [{"model": one.model, "weight": one.weight} for one in alias.targets],
        "shadows": [{"model": one.model, "percent": one.percent} for one in alias.shadows],
        "created_at": timestamp(alias.created_at),
    }


def _comparison(row: dict[str, Any]) -> Document:
    """Means are over those that both have done."""
    done = row["compared"] - row["failed"]
    means = {name: round(row[name] / done, 6) if done else None for name in ("run_s", "shadow_run_s")}
    return {"model": row["model"], **{name: row[name] for name in ("compared", "failed", "equal")}, **means}


def _check_models(context: Context, wanted: AliasRequest) -> None:
    """Raises: InvalidInput, naming each version that is not there."""
    named = {"targets": [one.model for one in wanted.targets], "shadows": [one.model for one in wanted.shadows]}
    faults = []
    for field, models in named.items():
        for at, model in enumerate(models):
            try:
                context.catalog.find(model)
            except ModelNotFound as missing:
                faults.append(FieldFault(f"{field}.{at}.model", str(missing)))
    if faults:
        raise InvalidInput("The alias is not valid.", faults)


def _known(name: str) -> str:
    """Whatever cannot be a name names no alias. Raises: AliasNotFound."""
    if not name.isascii() or not name.isprintable() or len(name) > 64:
        raise AliasNotFound(f"There is no alias {name[:64]!r}.")
    return name
