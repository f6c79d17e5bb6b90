"""Whose pages may talk to us. A browser sends a foreign page's requests with that page's origin, and a name
that an attacker points at this machine as the host: both are refused."""

import ipaddress
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse

from config.settings import Settings

Scope = MutableMapping[str, Any]
_Channel = Callable[..., Awaitable[Any]]

_SAFE = {"GET", "HEAD", "OPTIONS"}


class OriginGuard:
    """ASGI middleware in front of all HTTP routes; sockets ask `refusal` themselves."""

    def __init__(self, app: Callable[..., Awaitable[None]], settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: _Channel, send: _Channel) -> None:
        if scope["type"] == "http" and (reason := refusal(scope, self._settings)):
            status, detail = reason
            body = {"type": "about:blank", "title": "Forbidden", "status": status, "detail": detail}
            await JSONResponse(body, status, media_type="application/problem+json")(scope, receive, send)
            return
        await self._app(scope, receive, send)


def refusal(scope: Scope, settings: Settings) -> tuple[int, str] | None:
    """Why this request may not come from where it comes, as status and detail; None: it may."""
    host = origin = ""
    for name, value in scope["headers"]:
        if name == b"host":
            host = value.decode("latin-1").lower()
        elif name == b"origin":
            origin = value.decode("latin-1").lower()
    if settings.auth == "off" and not _names_this_machine(host) and host not in _hosts(settings.allowed_origins):
        return 403, "Without keys this server answers only to the names of its own machine."
    changes = scope["type"] == "websocket" or scope["method"] not in _SAFE
    if changes and origin and urlsplit(origin).netloc != host and origin not in settings.allowed_origins:
        return 403, "Pages of other sites may not use this server; SAFELIGHT_ORIGINS names those that may."
    return None


def _hosts(origins: Iterable[str]) -> set[str]:
    return {urlsplit(origin).netloc for origin in origins}


@lru_cache(maxsize=256)
def _names_this_machine(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
