"""Where on the way from one prompt to another the frames of a film lie: so that each differs from the next by about
as much. Pure."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

FINEST = 1e-6  # where less than this lies between two places, they differ by a leap, and no third one mends that


def even(count: int) -> list[float]:
    """From 0 to 1, both included."""
    return [place / (count - 1) for place in range(count)]


def between(places: Sequence[float], differences: Sequence[float], count: int) -> list[float]:
    """So many more places, most of them where neighbours differ most; where nothing differs, in the widest gaps.
    Ascending, and none of the old ones. `differences` are of neighbours."""
    gaps = list(pairwise(places))
    more = [0] * len(gaps)

    def worth(gap: int) -> tuple[bool, float, float]:
        width = (gaps[gap][1] - gaps[gap][0]) / (more[gap] + 1)
        return width > FINEST, differences[gap] / (more[gap] + 1), width

    for _ in range(count):
        more[max(range(len(gaps)), key=worth)] += 1
    each = zip(gaps, more, strict=True)
    return [low + (high - low) * n / (some + 1) for (low, high), some in each for n in range(1, some + 1)]


def choose(differences: Sequence[float], count: int) -> list[int]:
    """So many of the places, first and last included, by their numbers: in steps of about equal difference."""
    reached = [0.0, *accumulate(differences)]
    chosen, least = [0], 1
    for number in range(1, count - 1):
        wanted = reached[-1] * number / (count - 1)
        last = len(reached) - (count - number)
        least = min(range(least, last + 1), key=lambda place: abs(reached[place] - wanted)) + 1
        chosen.append(least - 1)
    return [*chosen, len(reached) - 1]
