"""What charts are made of: escaped elements, scales, ticks and axes. Sizes are in the units of a chart's own box."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, LiteralString, TypeVar

from markupsafe import Markup, escape

T = TypeVar("T")

Place = float | datetime
"""A value of the horizontal axis."""
Write = Callable[[float], str]

WIDTH: Final = 640.0
LEFT: Final = 58.0
RIGHT: Final = 626.0
TOP: Final = 12.0
BELOW: Final = 36.0  # what the horizontal axis takes

SERIES: Final = 5  # colours that site.css names; more series share the last look

_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_TIME_STEPS: Final = tuple(
    timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 180, 360, 720)
) + tuple(timedelta(days=d) for d in (1, 2, 7, 14, 28, 91, 182, 365, 730, 1825))  # fmt: skip
_DAY: Final = timedelta(days=1)
_MONTHS: Final = timedelta(days=91)


def element(name: LiteralString, /, *inside: object, **attributes: object) -> Markup:
    """Return an element: all that is no Markup yet is escaped. ``class_`` is class, other ``_`` are hyphens."""
    written = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), short(value))
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, together(inside))


def together(parts: Sequence[object]) -> Markup:
    """Join parts, each escaped unless it is Markup."""
    return Markup("").join(escape(short(part)) for part in parts)


def short(value: object) -> object:
    """Write a measure with two digits at most; anything else stays as it is."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


@dataclass(frozen=True)
class Mark:
    """Something that happened at a place of the horizontal axis, such as a promotion."""

    at: Place
    text: str


def number_of(place: Place) -> float:
    """Return a place as a number: a moment as seconds."""
    return place.timestamp() if isinstance(place, datetime) else float(place)


def known(value: float | None) -> float | None:
    """Return a figure that can be drawn, or None for one that cannot (missing, NaN, infinite)."""
    return value if value is not None and math.isfinite(value) else None


@dataclass(frozen=True)
class Scale:
    """From values between ``low`` and ``high`` to places between ``start`` and ``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value; values outside are put at the nearer end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def across(values: Sequence[float]) -> Scale:
    """Return the horizontal scale of values; a single one stands in the middle."""
    low, high = _widened(min(values), max(values))
    return Scale(low, high, LEFT, RIGHT)


def upward(values: Sequence[float], height: float, low: float | None, high: float | None) -> tuple[Scale, list[float]]:
    """Return the vertical scale of values, widened to whole ticks where no end is given, and its ticks."""
    found_low, found_high = _widened(
        min(values) if low is None else low, max(values) if high is None else high, keep=low
    )
    marks = ticks(found_low, found_high)
    step = marks[1] - marks[0] if len(marks) > 1 else found_high - found_low
    if low is None and marks[0] > found_low:
        marks.insert(0, marks[0] - step)
    if high is None and marks[-1] < found_high:
        marks.append(marks[-1] + step)
    bottom = marks[0] if low is None else found_low
    top = marks[-1] if high is None else found_high
    return Scale(bottom, top, height - BELOW, TOP), marks


def _widened(low: float, high: float, keep: float | None = None) -> tuple[float, float]:
    """Give a range of no extent one, so that something can be drawn in it."""
    if high > low:
        return low, high
    around = abs(low) * 0.1 or 1.0
    return (low, low + around) if keep is not None else (low - around, low + around)


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Return round numbers between two, about as many as wanted."""
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((each * power for each in _STEPS if each * power >= rough * 0.999), 10.0 * power)
    first = math.ceil(low / step - 1e-9)
    found = [(first + index) * step for index in range(wanted * 3) if (first + index) * step <= high + step * 1e-6]
    return found or [low]


def time_ticks(low: float, high: float, wanted: int = 5) -> list[tuple[float, str]]:
    """Return round moments (UTC) between two, with how each is written."""
    step = next((each for each in _TIME_STEPS if each.total_seconds() * wanted >= high - low), _TIME_STEPS[-1])
    size = step.total_seconds()
    form = "%H:%M" if step < _DAY else "%-d %b" if step < _MONTHS else "%b %Y"
    first = math.ceil(low / size)
    moments = [(first + index) * size for index in range(wanted + 2) if (first + index) * size <= high]
    return [(moment, datetime.fromtimestamp(moment, UTC).strftime(form)) for moment in moments or [low]]


def vertical_axis(scale: Scale, marks: Sequence[float], write: Write) -> Markup:
    """Draw a line across for each tick, with its figure at the left."""
    parts: list[Markup] = []
    for mark in marks:
        at = scale(mark)
        parts.append(element("line", class_="grid", x1=LEFT, x2=RIGHT, y1=at, y2=at))
        parts.append(element("text", write(mark), class_="tick", x=LEFT - 8, y=at, dy=".35em", text_anchor="end"))
    return together(parts)


def horizontal_axis(scale: Scale, marks: Sequence[tuple[float, str]], height: float) -> Markup:
    """Write the ticks below the drawing; those at its ends stay inside."""
    parts = [element("line", class_="axis", x1=LEFT, x2=RIGHT, y1=height - BELOW, y2=height - BELOW)]
    for mark, text in marks:
        at = scale(mark)
        anchor = "start" if at < LEFT + 20 else "end" if at > RIGHT - 20 else "middle"
        parts.append(element("line", class_="axis", x1=at, x2=at, y1=height - BELOW, y2=height - BELOW + 4))
        parts.append(element("text", text, class_="tick", x=at, y=height - 14, text_anchor=anchor))
    return together(parts)


def path(points: Sequence[tuple[float, float | None]]) -> str:
    """Return an SVG path through points; it is broken where a figure is missing."""
    parts: list[str] = []
    drawing = False
    for x, y in points:
        if y is not None:
            parts.append(f"{'L' if drawing else 'M'}{x:.1f} {y:.1f}")
        drawing = y is not None
    return "".join(parts)


def thinned(values: Sequence[T], most: int) -> Sequence[T]:
    """Return evenly chosen values, the first and the last among them, where there are too many."""
    if len(values) <= most:
        return values
    return [values[round(index * (len(values) - 1) / (most - 1))] for index in range(most)]
