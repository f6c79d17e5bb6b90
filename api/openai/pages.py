"""Lists, as the `openai` client reads them page by page: the next page is after the last id of this one."""

from collections.abc import Sequence
from typing import Any


def page_document(found: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """A page of what was found, which is one more than fits if there are more."""
    page = list(found[:limit])
    return {
        "object": "list",
        "data": page,
        "has_more": len(found) > limit,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }
