"""When two jobs are the same work: the same model, version and input, with a seed. Import-light: no torch."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from models.entry import Entry

_FETCHED = ("http://", "https://")


def cache_key(entry: Entry, resolved: Mapping[str, Any]) -> str | None:
    """The same for the same work; None for work whose result is its own: without a seed each run differs, a
    diagnostic model is run for the sake of running, and what an address leads to may change."""
    if entry.diagnostic or resolved.get("seed") is None or _fetches(entry, resolved):
        return None
    same = json.dumps([entry.full_name, resolved], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(same.encode()).hexdigest()


def _fetches(entry: Entry, resolved: Mapping[str, Any]) -> bool:
    return any(str(resolved.get(name, "")).lower().startswith(_FETCHED) for name in entry.media_inputs)
