"""Bar charts as SVG, written by hand: a group of bars for each case, a thin line from the least round to the most."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from bench.results import Spread

_WIDTH, _LEFT, _RIGHT = 720, 230, 90
_BAR, _GAP, _HEAD = 16, 14, 48
_COLOURS = ("#2f6fdb", "#9aa4b2", "#5b6675", "#d9a441", "#c7cdd6", "#7a8699")

Group = tuple[str, Mapping[str, Spread]]  # a case, and each contestant's figure


def draw_bars(title: str, groups: Sequence[Group], *, log: bool = False) -> str:
    """The chart. With `log` the axis is logarithmic, from half the least figure."""
    figures = [spread for _, bars in groups for spread in bars.values()]
    most = max(spread.most for spread in figures)
    least = min(spread.least for spread in figures) / 2 if log else 0.0
    names = list(dict.fromkeys(name for _, bars in groups for name in bars))
    lines, y = [], _HEAD
    for case, bars in groups:
        lines.append(_text(12, y + 12, case, weight="bold"))
        y += 20
        for name, spread in bars.items():
            least_x, x, most_x = (_at(v, least, most, log) for v in (spread.least, spread.median, spread.most))
            colour = _COLOURS[names.index(name) % len(_COLOURS)]
            middle = y + _BAR / 2
            lines += [
                _text(_LEFT - 8, y + 12, name, anchor="end"),
                f'<rect x="{_LEFT}" y="{y}" width="{x - _LEFT:.1f}" height="{_BAR - 3}" fill="{colour}"/>',
                f'<path d="M{least_x:.1f} {middle:.1f}H{most_x:.1f}" stroke="#111" stroke-width="1.5"/>',
                _text(most_x + 6, y + 12, show(spread.median)),
            ]
            y += _BAR
        y += _GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}" viewBox="0 0 {_WIDTH} {y}">'
    paper = f'<rect width="{_WIDTH}" height="{y}" fill="#fff"/>'
    heading = _text(12, 24, title, weight="bold", size=15)
    return "\n".join([head, f"<title>{escape(title)}</title>", paper, heading, *lines, "</svg>", ""])


def show(value: float) -> str:
    """A figure with about three digits that count."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def _at(value: float, least: float, most: float, log: bool) -> float:
    room = _WIDTH - _LEFT - _RIGHT
    share = math.log(value / least) / math.log(most / least) if log else value / most
    return _LEFT + room * share


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", size: int = 12) -> str:
    style = f'font-family="system-ui, sans-serif" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style} fill="#111">{escape(text)}</text>'
