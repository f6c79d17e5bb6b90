"""The hatch: past the router, and behind every guard. POST /v1/jobs is handed in here: to find the way through the
framework took longer than all that is done with a job. FastAPI describes the path, and serves every other."""

from typing import Any

from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from api.context import Context
from api.routes.submit import PATH, Answer, accept
from api.web.problems import MEDIA_TYPE, problem_of
from jobs.errors import SafelightError

_JSON = (b"content-type", b"application/json")


class Hatch:
    """ASGI middleware, the innermost."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            answer = await accept(self._context, scope, receive)
        except SafelightError as error:
            document, headers = problem_of(error)
            await JSONResponse(document, document["status"], headers, MEDIA_TYPE)(scope, receive, send)
        except ClientDisconnect:
            return
        else:
            await _send(answer, send)


async def _send(answer: Answer, send: Send) -> None:
    body = answer.text.encode()
    headers: list[Any] = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    headers += [_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
