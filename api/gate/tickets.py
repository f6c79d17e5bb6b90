"""Tickets: a browser cannot send a bearer header with a WebSocket, so it fetches a ticket first and shows that."""

import logging
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import redis.asyncio

from storage.bus import BROKER_FAULTS

log = logging.getLogger(__name__)

_VALID_S = 60
_KEY = "safelight:ticket:"


class Tickets:
    """Each is good for one socket, at whichever process; kept in Redis, since any process may be asked."""

    def __init__(self, broker_url: str) -> None:
        self._client = redis.asyncio.Redis.from_url(
            broker_url, decode_responses=True, socket_connect_timeout=1, socket_timeout=1
        )

    async def issue(self) -> tuple[str, datetime]:
        """A ticket, and until when it is good."""
        ticket = secrets.token_urlsafe(24)
        until = datetime.now(UTC) + timedelta(seconds=_VALID_S)
        try:
            await self._client.set(_KEY + ticket, "1", ex=_VALID_S)
        except BROKER_FAULTS as fault:  # without keys a ticket opens nothing that is not open anyway
            log.warning("a ticket could not be kept: %s", fault)
        return ticket, until

    async def admit(self, query: bytes) -> bool:
        """May this socket come in? One that shows no ticket is judged elsewhere."""
        shown = parse_qs(query.decode("latin-1")).get("ticket")
        if not shown:
            return True
        try:
            return bool(await self._client.getdel(_KEY + shown[0][:64]))
        except BROKER_FAULTS:
            return True

    async def close(self) -> None:
        await self._client.aclose()
