"""The application behind /replicate/v1. Its errors are problems, as ours are."""

from fastapi import FastAPI

from api.context import Context
from api.replicate import account, files, models, predictions
from api.web import problems

_ROOMS = (predictions, files, models, account)


def create_replicate(context: Context) -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.state.context = context
    problems.install(app)
    for module in _ROOMS:
        app.include_router(module.router)
    return app
