"""The HTTP application: routes and error handling around an open context."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.routing import WebSocketRoute

from api.context import Context
from api.gate.origins import OriginGuard
from api.openai.app import create_openai
from api.replicate.app import create_replicate
from api.routes import (
    aliases,
    artifacts,
    asyncapi,
    events,
    firing,
    groups,
    health,
    jobs,
    mending,
    models,
    page,
    poll,
    previews,
    replays,
    rules,
    schedules,
    sockets,
    stats,
    submit,
    triggers,
    uploads,
    webhooks,
)
from api.routes.hatch import Hatch
from api.web import problems

_ROOMS = (
    submit,
    poll,
    jobs,
    mending,
    replays,
    groups,
    events,
    previews,
    sockets,
    models,
    aliases,
    artifacts,
    uploads,
    health,
    stats,
    webhooks,
    schedules,
    triggers,
    firing,
    rules,
    asyncapi,
)

# Nothing here reads it, and to see at each request whether somebody does has its price.
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
_DESCRIPTION = "A durable job service for generative media. POST a job, get its id, be told when it changes."


def create_app(context: Context) -> FastAPI:
    """The application; its lifespan starts and stops what runs beside the requests."""
    app = FastAPI(
        title="Safelight",
        version="0.1.0",
        description=_DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,  # both pages would load scripts from elsewhere
        redoc_url=None,
        telemetry=_NO_TELEMETRY,
    )
    app.state.context = context
    problems.install(app)
    for module in _ROOMS:
        app.include_router(module.router)
    app.include_router(groups.plain)
    app.router.routes.append(WebSocketRoute("/v1/ws", sockets.Sockets(context)))
    app.mount("/openai/v1", create_openai(context))
    app.mount("/replicate/v1", create_replicate(context))
    page.install(app)
    app.add_middleware(Hatch, context=context)
    app.add_middleware(OriginGuard, settings=context.settings)
    return app


def _lifespan(app: FastAPI) -> AbstractAsyncContextManager[None]:
    return _running(app.state.context)


@asynccontextmanager
async def _running(context: Context) -> AsyncIterator[None]:
    context.intake.start()
    context.hearing.start()
    context.follower.start()
    context.forecast.start()
    context.audience.start()
    await context.admission.start()
    await context.automation.rulebook.start()
    try:
        yield
    finally:
        await context.automation.rulebook.close()
        await context.admission.close()
        await context.audience.close()
        await context.forecast.close()
        await context.follower.close()
        await context.hearing.close()
        await context.tickets.close()
        await context.previews.close()
        await context.intake.close()
        context.lookup.close()
        context.group_lookup.close()
