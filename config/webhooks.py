"""How the settings of webhooks are written: lists in one line each."""

import base64
import binascii
import ipaddress
import math
from functools import lru_cache

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

_SECRET_PREFIX = "whsec_"
_SECRET_BYTES = range(24, 65)


@lru_cache(16)  # asked for at each submit
def parse_networks(text: str) -> Networks:
    """`10.1.0.0/16, fd00::/8`. Raises: ValueError."""
    return tuple(ipaddress.ip_network(part) for part in _parts(text))


def parse_waits(text: str) -> tuple[float, ...]:
    """`5, 30, 120`: seconds. Raises: ValueError."""
    waits = tuple(map(float, _parts(text)))
    if not all(math.isfinite(wait) and 0 <= wait <= 604_800 for wait in waits):
        raise ValueError("a wait is 0 to 604800 seconds")
    return waits


def parse_secrets(text: str) -> tuple[str, ...]:
    """`whsec_…, whsec_…`, newest first. Raises: ValueError."""
    secrets = tuple(_parts(text))
    if not all(map(_is_secret, secrets)):
        raise ValueError("a secret is whsec_ and the standard base64 of 24 to 64 random bytes")
    return secrets


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _is_secret(text: str) -> bool:
    try:
        key = base64.b64decode(text.removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error:
        return False
    return text.startswith(_SECRET_PREFIX) and len(key) in _SECRET_BYTES
