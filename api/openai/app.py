"""The application behind /openai/v1: its routes, its shape of errors, and an id for each answer."""

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.context import Context
from api.openai import batches, errors, files, images, models, videos
from api.web import problems
from jobs.identity import new_id

_ROOMS = (models, images, videos, files, batches)


def create_openai(context: Context) -> FastAPI:
    """An application of its own: what goes wrong in here is told as that client expects it."""
    app = FastAPI(openapi_url=None)
    app.state.context = context
    problems.install(app, errors.answer)
    for module in _ROOMS:
        app.include_router(module.router)
    app.add_middleware(RequestIds)
    return app


class RequestIds:
    """ASGI middleware: the client shows `x-request-id` with each answer and each error."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", f"req_{new_id()}".encode())]
            await send(message)

        await self._app(scope, receive, send_named)
