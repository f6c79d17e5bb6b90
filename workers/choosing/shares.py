"""Whose turn it is: batch jobs get at least their share of a worker's claims, however much interactive work there is.
Counted, not drawn by lot, and by each worker for itself: no claim costs another statement for it."""

from collections import Counter
from collections.abc import Sequence

from jobs.values import Job, Priority


class Shares:
    """Of each queue: how many claims in a row went to interactive jobs alone, since somebody may have waited."""

    def __init__(self, batch_share: float) -> None:
        self._in_a_row_most = max(1, round(1 / batch_share) - 1) if batch_share else None
        self._in_a_row: Counter[str] = Counter()

    def batch_first(self, queue: str) -> bool:
        """Should the next claim take a batch job, if one waits?"""
        return self._in_a_row_most is not None and self._in_a_row[queue] >= self._in_a_row_most

    def note(self, queue: str, claimed: Sequence[Job]) -> None:
        """This was claimed. When it was nothing, nobody waits: whoever comes now is owed no turn."""
        if not claimed or any(job.priority is Priority.BATCH for job in claimed):
            self._in_a_row[queue] = 0
        else:
            self._in_a_row[queue] += 1
