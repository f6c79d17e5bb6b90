"""Affinity: a worker prefers jobs of models that it has in memory, within bounds, so that none of the others starves.
After so many looks at a queue, or so many seconds, it takes what is best there, whatever has to be loaded for it."""

import time
from collections.abc import Callable, Sequence


class Affinity:
    """By queue, how often it was looked at with a preference since the last look without. Owned by one thread."""

    def __init__(self, looks: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._looks = looks
        self._seconds = seconds
        self._clock = clock
        self._spent: dict[str, tuple[int, float]] = {}

    def look(self, queue: str, warm: Sequence[str]) -> Sequence[str]:
        """The models to prefer at this look: those in memory, or none when it is the others' turn."""
        now = self._clock()
        count, since = self._spent.get(queue, (0, now))
        if not warm or count >= self._looks or now - since >= self._seconds:
            self._spent[queue] = (0, now)
            return ()
        self._spent[queue] = (count + 1, since)
        return warm
