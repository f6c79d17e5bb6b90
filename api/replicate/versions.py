"""A version of a model, as their client describes it."""

from typing import Any

from api.replicate.schemas import openapi_schema
from models.entry import Entry

LONG_AGO = "1970-01-01T00:00:00.000000Z"  # nobody wrote down when a model came into the catalog

_COG_VERSION = "0.16.0"  # from 0.3.9 on a list of outputs is a list; before it was something to iterate over


def version_document(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.full_name,
        "created_at": LONG_AGO,
        "cog_version": _COG_VERSION,
        "openapi_schema": openapi_schema(entry),
    }
