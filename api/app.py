"""The HTTP application: routes and error handling around an open context."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from api import artifacts, health, jobs, models, problems
from api.context import Context

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
    )
    app.state.context = context
    problems.install(app)
    for module in (jobs, models, artifacts, health):
        app.include_router(module.router)
    return app


def _lifespan(app: FastAPI) -> AbstractAsyncContextManager[None]:
    return _running(app.state.context)


@asynccontextmanager
async def _running(context: Context) -> AsyncIterator[None]:
    context.intake.start()
    context.follower.start()
    context.admission.start()
    try:
        yield
    finally:
        await context.admission.close()
        await context.follower.close()
        await context.intake.close()
