"""How it goes: figures for Prometheus at /metrics, and for people at /v1/stats."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.context import Context, Ctx
from api.shapes.documents import ProblemDocument, StatsDocument
from api.watch.figures import WINDOW_S, Figures
from jobs.errors import StoreUnavailable
from storage.claiming.depths import Depth

router = APIRouter(tags=["stats"])


@router.get("/v1/stats", response_model=StatsDocument, responses={503: {"model": ProblemDocument}})
async def show_stats(context: Ctx) -> Response:
    """The queues now, and what happened in the last minutes. Waits, runs and finished jobs are those of the whole
    installation, as this process saw them since it started."""
    window = context.figures.window
    queues, _ = await context.queues.look()
    return JSONResponse(
        {
            "queues": [_queue(name, depth) for name, depth in sorted(queues.items())],
            "workers": len(context.hearing.workers()),
            "jobs_per_minute": round(window.jobs_per_minute(), 3),
            "wait_s": window.waits(),
            "run_s": window.runs(),
            "finished": window.count(),
            "window_s": WINDOW_S,
            "flower_url": context.settings.flower_url or None,
        }
    )


@router.get("/metrics")
async def metrics(context: Ctx) -> Response:
    """Figures for Prometheus: also when the database is away, so that its absence can be seen."""
    gauges = await _gauges(context)
    text = generate_latest(gauges) + generate_latest(context.figures.registry)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def counting(app: ASGIApp, figures: Figures) -> ASGIApp:
    """The same application, every response of which is counted: outside of everything, so that not even an
    unexpected error is missed."""

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                figures.answered(message["status"])
            await send(message)

        await app(scope, receive, send_and_count if scope["type"] == "http" else send)

    return counted


def _queue(name: str, depth: Depth) -> dict[str, Any]:
    oldest = None if depth.oldest_s is None else round(depth.oldest_s, 3)
    return {"name": name, "queued": depth.queued, "running": depth.running, "oldest_queued_s": oldest}


async def _gauges(context: Context) -> CollectorRegistry:
    registry = CollectorRegistry()
    workers = Gauge("safelight_workers", "Workers that showed themselves just now", registry=registry)
    workers.set(len(context.hearing.workers()))
    broker = Gauge("safelight_broker_up", "Whether this process hears the broker", registry=registry)
    broker.set(context.hearing.broker_up)
    database = Gauge("safelight_database_up", "Whether the database answers this process", registry=registry)
    try:
        queues, deliveries = await context.queues.look()
        _set_queues(registry, queues)
        _set_deliveries(registry, deliveries)
        database.set(1)
    except StoreUnavailable:
        database.set(0)
    return registry


def _set_queues(registry: CollectorRegistry, queues: dict[str, Depth]) -> None:
    jobs = Gauge("safelight_jobs", "Unfinished jobs", ["queue", "status"], registry=registry)
    depth = Gauge("safelight_queue_depth", "Jobs that wait", ["queue"], registry=registry)
    oldest = Gauge(
        "safelight_oldest_queued_seconds",
        "How long the job that waits longest could have been claimed",
        ["queue"],
        registry=registry,
    )
    for name, found in queues.items():
        jobs.labels(name, "queued").set(found.queued)
        jobs.labels(name, "running").set(found.running)
        depth.labels(name).set(found.queued)
        oldest.labels(name).set(found.oldest_s or 0.0)


def _set_deliveries(registry: CollectorRegistry, found: Depth) -> None:
    pending = Gauge("safelight_deliveries_pending", "Webhooks to be delivered, now or later", registry=registry)
    pending.set(found.queued)
    overdue = Gauge(
        "safelight_deliveries_overdue_seconds", "How long the longest overdue webhook is due", registry=registry
    )
    overdue.set(found.oldest_s or 0.0)
