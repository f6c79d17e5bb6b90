"""What lists have in common: `since`, and cursors that are ids."""

import base64
import re
from datetime import UTC, datetime, timedelta

from forms.requests import parse_moment
from jobs.errors import FieldFault, InvalidInput
from jobs.identity import parse_job_id

_AGO = re.compile(r"(\d{1,6})([smhdw])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_since(text: str, field: str = "since") -> datetime:
    """A moment in RFC 3339, or an age such as 1h. Raises: InvalidInput."""
    age = _AGO.fullmatch(text)
    try:
        if age:
            return datetime.now(UTC) - timedelta(seconds=int(age[1]) * _UNITS_S[age[2]])
        return parse_moment(text)
    except (ValueError, OverflowError) as fault:
        detail = "Must be RFC 3339 with a time zone, or an age such as 1h."
        raise InvalidInput("A parameter is not valid.", [FieldFault(field, detail)]) from fault


def encode_cursor(last_id: str) -> str:
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """Raises: InvalidInput."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        last_id = parse_job_id(base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii"))
    except ValueError:
        last_id = None
    if last_id is None:
        detail = "Is not a cursor that this server gave."
        raise InvalidInput("A parameter is not valid.", [FieldFault("cursor", detail)])
    return last_id
