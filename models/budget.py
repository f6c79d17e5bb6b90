"""What previews may cost the batch they show: at most four a second of each picture, and a small share of the
time that the batch took so far. Pure: the clock is the caller's."""

from collections.abc import Iterable

SHARE = 0.02  # of the denoising thread; the way through the broker costs a little more beside it
INTERVAL_S = 0.25


class Budget:
    """The account of one run. Moments and times in seconds, of any one clock."""

    def __init__(self, now: float) -> None:
        self._started_at = now
        self._spent_s = 0.0
        self._shown_at: dict[int, float] = {}

    def due(self, places: Iterable[int], now: float) -> list[int]:
        """Those that may be shown again, the one that waits longest first."""
        waited = {place: now - self._shown_at.get(place, self._started_at - INTERVAL_S) for place in places}
        return sorted((place for place, time in waited.items() if time >= INTERVAL_S), key=lambda p: -waited[p])

    def affords(self, cost_s: float, now: float) -> bool:
        return self._spent_s + cost_s <= SHARE * (now - self._started_at)

    def charge(self, place: int, began: float, ended: float) -> None:
        self._spent_s += ended - began
        self._shown_at[place] = began
