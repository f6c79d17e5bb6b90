"""Liveness, and readiness with each part's state."""

import asyncio
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from api.context import Context, Ctx
from jobs.errors import StoreUnavailable

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def live() -> dict[str, str]:
    """This process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def ready(context: Ctx) -> Response:
    """503 only when jobs cannot be accepted: with the broker or all workers away, submits still work."""
    parts = await _parts(context)
    down = parts["database"]["status"] != "ok"
    degraded = any(part["status"] != "ok" for part in parts.values())
    status = "unavailable" if down else "degraded" if degraded else "ok"
    code = HTTPStatus.SERVICE_UNAVAILABLE if down else HTTPStatus.OK
    return JSONResponse({"status": status, "parts": parts}, code)


async def _parts(context: Context) -> dict[str, dict[str, Any]]:
    try:
        await asyncio.to_thread(context.store.ping)
        database = {"status": "ok"}
    except StoreUnavailable:
        database = {"status": "down", "detail": "the database does not answer"}
    broker = {"status": "ok"} if context.hearing.broker_up else {"status": "down"}
    workers = context.hearing.workers()
    broken = [one.file.name for one in context.catalog.broken]
    return {
        "database": database,
        "broker": broker,
        "workers": {"status": "ok" if workers else "down", "count": len(workers)},
        "catalog": {"status": "degraded" if broken else "ok", "broken": broken},
    }
