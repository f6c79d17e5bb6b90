"""The Studio: the page at `/` and the files it is made of. No build step: what lies in `studio/` is what is
served, under a policy that lets a browser run nothing else and ask nobody else."""

import re
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.datastructures import Headers
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Scope

_FILES = Path(__file__).parent.with_name("studio")
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_FIRST = "no-cache"  # keep it, but ask each time whether it is still the same: 304 costs nothing
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


def install(app: FastAPI) -> None:
    """Serve the Studio from this app."""
    files = _StudioFiles(directory=_FILES)

    async def show_studio(request: Request) -> Response:
        return await files.get_response("index.html", request.scope)

    app.add_route("/", show_studio, include_in_schema=False)  # GET and HEAD
    app.mount("/studio", files, name="studio")


class _StudioFiles(StaticFiles):
    """Files with the page's own policy on each, since a browser may be sent to any of them."""

    def file_response(
        self, full_path: PathLike, stat_result: object, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)  # type: ignore[arg-type]
        caching = _FOR_EVER if str(full_path).endswith(".woff2") else _ASK_FIRST
        response.headers.update(_headers(Headers(scope=scope), caching))
        return response


def _headers(asked: Headers, caching: str) -> dict[str, str]:
    return {
        "Cache-Control": caching,
        "Content-Security-Policy": _policy(asked.get("host", "")),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _policy(host: str) -> str:
    """Not every browser counts the page's own sockets as `'self'`, so they are named."""
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "object-src 'none'",
            f"connect-src 'self'{sockets}",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types lit-html",
        )
    )
