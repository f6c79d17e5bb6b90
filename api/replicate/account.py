"""What else their client asks a server for: who it is, its hardware, its collections; and the webhook secret."""

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from api.context import TENANT, Ctx
from api.replicate.references import version_of
from api.replicate.versions import LONG_AGO
from api.web.problems import NotServed
from jobs.prediction import OWNER

_NOTHING: dict[str, Any] = {"previous": None, "next": None, "results": []}

router = APIRouter()


_ACCOUNT = {"type": "organization", "username": OWNER, "name": "Safelight", "github_url": None}


@router.get("/account")
async def get_account() -> Response:
    return JSONResponse(_ACCOUNT)


@router.get("/deployments/{owner}/{name}")
async def get_deployment(owner: str, name: str, context: Ctx) -> Response:
    """Every model is deployed: its newest version, on the queue that it names."""
    entry = version_of(context.catalog, name)
    release = {
        "number": 1,
        "model": f"{OWNER}/{entry.name}",
        "version": entry.full_name,
        "created_at": LONG_AGO,
        "created_by": _ACCOUNT,
        "configuration": {"hardware": entry.queue, "min_instances": 0, "max_instances": 1},
    }
    return JSONResponse({"owner": OWNER, "name": entry.name, "current_release": release})


@router.get("/hardware")
async def list_hardware(context: Ctx) -> Response:
    """A queue is a class of hardware."""
    return JSONResponse([{"sku": queue, "name": f"Queue {queue}"} for queue in context.catalog.queues()])


@router.get("/collections")
@router.get("/deployments")
@router.get("/trainings")
async def list_nothing() -> Response:
    return JSONResponse(_NOTHING)


@router.post("/models/{owner}/{name}/versions/{version}/trainings")
@router.post("/models")
@router.post("/deployments")
async def refuse(owner: str = "", name: str = "", version: str = "") -> Response:
    raise NotServed("Models come from the catalog: see docs/how-to/add-a-model.md.")


@router.get("/webhooks/default/secret")
async def get_secret(context: Ctx) -> Response:
    """The newest: a delivery is signed with it whoever receives it."""
    valid = await asyncio.to_thread(context.webhook_secrets.valid, TENANT)
    return JSONResponse({"key": valid[0]}, headers={"Cache-Control": "no-store"})
