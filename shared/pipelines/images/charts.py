"""Charts as SVG, written by hand: small files that need nothing else, the same bytes for the same figures."""

from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

_WIDTH: Final = 640
_HEIGHT: Final = 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 40, 52
_COLOURS: Final = ("#2563eb", "#d97706", "#059669", "#7c3aed")
_TICKS: Final = 4
_MOST_LABELS: Final = 24

Point = tuple[float, float]


class Line(NamedTuple):
    """A named line of points in the chart's own units."""

    name: str
    points: Sequence[Point]


class Bar(NamedTuple):
    """A named bar, and the interval around its value where there is one."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


def lines(title: str, across: str, along: str, data: Sequence[Line], *, dots: bool = False) -> str:
    """Draw lines over two axes; with ``dots`` the first of them as points that nothing joins."""
    points = [point for line in data for point in line.points]
    if not points:
        return _frame(title, across, along, ["<text x='320' y='180' text-anchor='middle'>no data</text>"])
    x, y = (
        _scale([p[0] for p in points], _LEFT, _WIDTH - _RIGHT),
        _scale([p[1] for p in points], _HEIGHT - _BOTTOM, _TOP),
    )
    parts = [*x.ticks(vertical=False), *y.ticks(vertical=True)]
    for number, line in enumerate(data):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [(x.at(a), y.at(b)) for a, b in line.points]
        if dots and number == 0:
            parts += [
                f"<circle cx='{a:.1f}' cy='{b:.1f}' r='3' fill='{colour}' fill-opacity='0.5'/>" for a, b in places
            ]
        else:
            path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
            parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
        parts.append(
            f"<text x='{_LEFT + 8 + 150 * number}' y='{_TOP - 6}' fill='{colour}' font-size='12'>"
            f"{escape(line.name)}</text>"
        )
    return _frame(title, across, along, parts)


def bars(title: str, across: str, along: str, data: Sequence[Bar]) -> str:
    """Draw bars from 0, with their intervals. Names are written while there is room for them."""
    if not data:
        return lines(title, across, along, [])
    ends = [end for bar in data for end in (bar.value, bar.low or 0.0, bar.high or 0.0)]
    y = _scale([0.0, *ends], _HEIGHT - _BOTTOM, _TOP)
    step = (_WIDTH - _LEFT - _RIGHT) / len(data)
    parts = y.ticks(vertical=True)
    for number, bar in enumerate(data):
        middle = _LEFT + step * (number + 0.5)
        top, foot = sorted((y.at(bar.value), y.at(0.0)))
        parts.append(
            f"<rect x='{middle - step * 0.35:.1f}' y='{top:.1f}' width='{step * 0.7:.1f}' height='{foot - top:.1f}'"
            f" fill='{_COLOURS[0]}'/>"
        )
        if bar.low is not None and bar.high is not None:
            parts.append(
                f"<line x1='{middle:.1f}' x2='{middle:.1f}' y1='{y.at(bar.low):.1f}' y2='{y.at(bar.high):.1f}'"
                " stroke='#111827' stroke-width='1.5'/>"
            )
        if len(data) <= _MOST_LABELS:
            parts.append(
                f"<text x='{middle:.1f}' y='{_HEIGHT - _BOTTOM + 16}' text-anchor='middle' font-size='10'>"
                f"{escape(bar.name)}</text>"
            )
    return _frame(title, across, along, parts)


class _Scale(NamedTuple):
    """From a chart's units to its pixels."""

    low: float
    high: float
    first: float
    last: float

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.first + (value - self.low) / (self.high - self.low) * (self.last - self.first)

    def ticks(self, *, vertical: bool) -> list[str]:
        """Return grid lines and their numbers."""
        parts = []
        for number in range(_TICKS + 1):
            value = self.low + (self.high - self.low) * number / _TICKS
            place = self.at(value)
            if vertical:
                parts.append(
                    f"<line x1='{_LEFT}' x2='{_WIDTH - _RIGHT}' y1='{place:.1f}' y2='{place:.1f}' stroke='#e5e7eb'/>"
                    f"<text x='{_LEFT - 6}' y='{place + 4:.1f}' text-anchor='end' font-size='11'>{value:.3g}</text>"
                )
            else:
                parts.append(
                    f"<text x='{place:.1f}' y='{_HEIGHT - _BOTTOM + 16}' text-anchor='middle' font-size='11'>"
                    f"{value:.3g}</text>"
                )
        return parts


def _scale(values: Sequence[float], first: float, last: float) -> _Scale:
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return _Scale(low, high, first, last)


def _frame(title: str, across: str, along: str, parts: Sequence[str]) -> str:
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    canvas = f"viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img' font-family='sans-serif' fill='#111827'"
    below = f"x='{_WIDTH / 2:.0f}' y='{_HEIGHT - 12}'"
    beside = f"transform='translate(16 {middle:.0f}) rotate(-90)'"
    return "\n".join(
        (
            f"<svg xmlns='http://www.w3.org/2000/svg' {canvas}>",
            f"<title>{escape(title)}</title>",
            f"<rect width='{_WIDTH}' height='{_HEIGHT}' fill='#ffffff'/>",
            f"<text x='{_LEFT}' y='18' font-size='14' font-weight='bold'>{escape(title)}</text>",
            *parts,
            f"<text {below} text-anchor='middle' font-size='12'>{escape(across)}</text>",
            f"<text {beside} text-anchor='middle' font-size='12'>{escape(along)}</text>",
            "</svg>",
            "",
        )
    )
