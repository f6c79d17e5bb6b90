"""What else their client asks a server for: who it is, its hardware, its collections; and the webhook secret."""

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from api.context import TENANT, Ctx
from api.problems import NotServed
from jobs.prediction import OWNER

_NOTHING: dict[str, Any] = {"previous": None, "next": None, "results": []}

router = APIRouter()


@router.get("/account")
async def get_account() -> Response:
    return JSONResponse({"type": "organization", "username": OWNER, "name": "Safelight", "github_url": None})


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
