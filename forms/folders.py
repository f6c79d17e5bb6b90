"""Which folders a client may have watched."""

from collections.abc import Sequence
from pathlib import Path


def check_folder(folder: str, roots: Sequence[Path]) -> Path:
    """The folder without links, if it lies in one that may be watched.

    Raises:
        OSError: it does not.
        ValueError: this is no path.
    """
    if not Path(folder).is_absolute():
        raise ValueError("this is no absolute path")
    place = Path(folder).resolve()
    if not any(place.is_relative_to(root.resolve()) for root in roots):
        raise PermissionError(None, "it is in none of the folders that SAFELIGHT_WATCH_ROOTS names")
    return place
