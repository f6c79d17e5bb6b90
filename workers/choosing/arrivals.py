"""Whether work of one kind is arriving: from the ages of the jobs that this worker was given. Pure."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

from jobs.values import Job

_LATELY = timedelta(seconds=1)
_ENOUGH = 2  # one job does not make a stream
_KEPT = 64


class Arrivals:
    """What came lately, by batch key. Owned by one thread."""

    def __init__(self) -> None:
        self._seen: deque[tuple[str | None, datetime]] = deque(maxlen=_KEPT)

    def note(self, jobs: Sequence[Job]) -> None:
        self._seen.extend((job.batch_key, job.created_at) for job in jobs)

    def continue_for(self, batch_key: str, now: datetime) -> bool:
        """Were several jobs of that key created within the last second?"""
        return sum(key == batch_key and now - at < _LATELY for key, at in self._seen) >= _ENOUGH
