"""When to ask again, and when to give up. Pure: clock and randomness are handed in."""

import random
import time
from collections.abc import Callable

_FIRST_S = 0.25
_MOST_S = 8.0
_RETRY_AFTER_MOST_S = 30.0


class Patience:
    """Back-off with jitter: doubling pauses, each cut by up to half at random so that many clients do not
    come back at once. Over when `seconds` have passed since the first of the faults in a row."""

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._chance = chance
        self.faults = 0  # in a row
        self._since = 0.0

    def pause(self, retry_after: float | None = None) -> float | None:
        """Count a fault. Seconds to wait before the next try, or None: give up."""
        now = self._clock()
        if self.faults == 0:
            self._since = now
        backoff = min(_MOST_S, _FIRST_S * 2**self.faults)
        self.faults += 1
        pause = backoff * (1 - self._chance() / 2)
        if retry_after is not None:
            pause += min(retry_after, _RETRY_AFTER_MOST_S)
        return pause if now + pause - self._since <= self._seconds else None

    def renew(self) -> None:
        """The server answered: the next fault is a first one."""
        self.faults = 0
