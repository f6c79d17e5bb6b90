"""Orphans: bytes that no job lists, because their conclusion was refused or their job was forgotten.

They are set aside at once, where they are still found, and deleted after a grace. Under content addressing another
job may have put the very same bytes a moment ago and be about to list them: it loses nothing, whoever is quicker."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from storage.jobs.store import JobStore
from storage.media.artifacts import ArtifactStore

_KEYS_A_QUERY = 500


class Orphans:
    """What becomes of them. Raises: StoreUnavailable, OSError; what was not done is found by a later sweep."""

    def __init__(self, jobs: JobStore, artifacts: ArtifactStore) -> None:
        self._jobs = jobs
        self._artifacts = artifacts

    def set_aside(self, keys: Iterable[str]) -> None:
        """Of these keys, those that no job lists."""
        for key, listed in self._looked_up(keys):
            if not listed:
                self._artifacts.set_aside(key)

    def sweep(self, shelf: int, grace_s: float) -> None:
        """The net for what nobody set aside: of one shelf, what nobody touched for so long and no job lists."""
        old = self._artifacts.older_than(grace_s, shelf)
        for path in (path for path in old if _is_temporary(path)):
            path.unlink(missing_ok=True)
        self.set_aside(path.name for path in old if not _is_temporary(path))

    def clear(self, grace_s: float) -> None:
        """Delete what has been aside for so long that whoever wanted to list it has done so; put that back."""
        for key, listed in self._looked_up(path.name for path in self._artifacts.aside(grace_s)):
            if listed:
                self._artifacts.put_back(key)
            else:
                self._artifacts.discard(key, grace_s)

    def _looked_up(self, keys: Iterable[str]) -> Iterator[tuple[str, bool]]:
        waiting = iter(keys)
        while some := list(itertools.islice(waiting, _KEYS_A_QUERY)):
            listed = self._jobs.listed(some)
            yield from ((key, key in listed) for key in some)


def _is_temporary(path: Path) -> bool:
    """Abandoned by a process that died while it wrote."""
    return path.suffix == ".part"
