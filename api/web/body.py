"""Request bodies, bounded in size; forms.strict_json says what may stand in them."""

from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from api.web.problems import TooLarge
from forms.strict_json import parse_object

MAX_BODY_BYTES = 1 << 20


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object a request carries.

    Raises:
        TooLarge: more than MAX_BODY_BYTES, announced or sent.
        InvalidInput: anything but a plain JSON object.
    """
    return parse_object(await read_bounded(request.headers.get("content-length", ""), request.receive))


async def read_bounded(announced: str, receive: Receive, most: int = MAX_BODY_BYTES) -> bytes:
    """The body, of which the client announced so many bytes.

    Raises:
        TooLarge: more than `most`, announced or sent.
        ClientDisconnect: the client is gone.
    """
    if announced.isdigit() and int(announced) > most:
        raise TooLarge(f"A body may have {most} bytes.")
    received = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        received += message.get("body", b"")
        if len(received) > most:
            raise TooLarge(f"A body may have {most} bytes.")
        more = message.get("more_body", False)
    return received
