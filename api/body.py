"""Request bodies, bounded in size; forms.strict_json says what may stand in them."""

from typing import Any

from fastapi import Request

from api.problems import TooLarge
from forms.strict_json import parse_object

MAX_BODY_BYTES = 1 << 20


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object a request carries.

    Raises:
        TooLarge: more than MAX_BODY_BYTES, announced or sent.
        InvalidInput: anything but a plain JSON object.
    """
    return parse_object(await _read_bounded(request))


async def _read_bounded(request: Request) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
        raise TooLarge(f"A body may have {MAX_BODY_BYTES} bytes.")
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > MAX_BODY_BYTES:
            raise TooLarge(f"A body may have {MAX_BODY_BYTES} bytes.")
    return bytes(received)
