"""Small charts as inline SVG, drawn without a plotting library: pure functions from figures to safe Markup.

Every chart is a figure with a title, a description for those who do not see it, and its figures as a table. Colours are
CSS classes only (``charts.css``: link it in the page's ``styles``), and no series is told by colour alone. Figures that
are missing, NaN or infinite are gaps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from api.review import words
from api.review.charts.columns import bars, histogram, stacked
from api.review.charts.drawing import (
    BELOW,
    LEFT,
    RIGHT,
    TOP,
    Mark,
    Place,
    Scale,
    Write,
    across,
    element,
    horizontal_axis,
    known,
    number_of,
    path,
    thinned,
    ticks,
    time_ticks,
    together,
    upward,
    vertical_axis,
)
from api.review.charts.figures import HEIGHT, Table, figure, look, mark_line, moment, nothing, writer

__all__ = ["Bin", "Mark", "Series", "bars", "calibration", "confusion", "histogram", "line", "spark", "stacked"]

_MOST_POINTS: Final = 500
_MANY: Final = 40  # points: with more than these, a line has no dots
_SHADES: Final = 8


@dataclass(frozen=True, kw_only=True)
class Series:
    """A line: its name, its points in order, and an interval around it: place, low, high."""

    name: str
    points: Sequence[tuple[Place, float | None]]
    band: Sequence[tuple[Place, float | None, float | None]] = ()


@dataclass(frozen=True)
class Bin:
    """Answers of like confidence: their mean confidence, the share that was right, and how many they are."""

    confidence: float
    accuracy: float | None
    rows: int


def line(
    title: str,
    series: Sequence[Series],
    *,
    x: str = "",
    y: str = "",
    low: float | None = None,
    high: float | None = None,
    percent: bool = False,
    marks: Sequence[Mark] = (),
    ends: tuple[Place, Place] | None = None,
    diagonal: bool = False,
    height: float = HEIGHT,
) -> Markup:
    """Draw lines over numbers or moments. ``x`` and ``y`` name the axes; ``low`` and ``high`` fix the vertical ends.

    ``ends`` fixes the horizontal ones; ``diagonal`` draws a line from corner to corner: of what should equal its place.
    """
    drawn = [_numbers(each) for each in series]
    values = [value for each in drawn for value in each.values()]
    if not values:
        return nothing(title)
    horizontal = across([number_of(end) for end in ends or ()] or [at for each in drawn for at in each.places()])
    vertical, steps = upward(values, height, low, high)
    write = writer(percent, vertical.high - vertical.low, step=steps[1] - steps[0] if len(steps) > 1 else 0.0)
    on_time = any(isinstance(place, datetime) for each in series for place, _ in each.points)
    below = (time_ticks if on_time else _number_ticks)(horizontal.low, horizontal.high)
    parts = [vertical_axis(vertical, steps, write), horizontal_axis(horizontal, below, height)]
    parts += [mark_line(mark, horizontal, height) for mark in marks]
    if diagonal:
        parts.append(element("path", class_="diagonal", d=f"M{LEFT} {height - BELOW}L{RIGHT} {TOP}"))
    tell = _moment_of if on_time else words.figure
    parts += [_line(each, (horizontal, vertical), look(index), write, tell) for index, each in enumerate(drawn)]
    names = [each.name for each in drawn] if len(drawn) > 1 else []
    table = _line_table(x or ("time" if on_time else "at"), drawn, writer(percent, vertical.high, exact=True), tell)
    return figure(title, together(parts), height, names=names, table=table, x=x, y=y)


def spark(values: Sequence[float | None], *, title: str, width: float = 120.0, height: float = 28.0) -> Markup:
    """Draw a line so small that it stands in a row of a table; ``title`` says in words what it shows."""
    drawn = [(float(index), known(value)) for index, value in enumerate(thinned(values, _MOST_POINTS))]
    there = [value for _, value in drawn if value is not None]
    if not there:
        return element("span", words.NONE, class_="spark none", title=title)
    flat = float(min(there) == max(there))
    vertical = Scale(min(there) - flat, max(there) + flat, height - 3, 3)
    horizontal = Scale(0, max(len(drawn) - 1, 1), 3, width - 3)
    points = [(horizontal(place), None if value is None else vertical(value)) for place, value in drawn]
    end_x, end_y = next(point for point in reversed(points) if point[1] is not None)
    return element(
        "svg",
        element("title", title),
        element("path", class_="line s1", d=path(points)),
        element("circle", class_="dot s1", cx=end_x, cy=end_y, r=2.5),
        class_="spark", role="img", width=width, height=height, viewBox=f"0 0 {width:.0f} {height:.0f}",
    )  # fmt: skip


def calibration(title: str, models: Sequence[tuple[str, Sequence[Bin]]]) -> Markup:
    """Draw how often answers of each confidence are right, for one model or more: on the diagonal is honest."""
    series = [Series(name=name, points=[(each.confidence, each.accuracy) for each in bins]) for name, bins in models]
    return line(
        title, series, x="confidence", y="share that is right", low=0.0, high=1.0, ends=(0.0, 1.0), percent=True,
        diagonal=True,
    )  # fmt: skip


def confusion(title: str, matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> Markup:
    """Return a table of true labels (rows) against answered ones (columns), darker where more of a row's answers are.

    The cells of the diagonal (right answers) have another colour than the rest.
    """
    if not labels or not any(any(row) for row in matrix):
        return nothing(title)
    heads = [element("th", element("span", "true \\ answered", class_="note"), scope="col")]
    heads += [element("th", label, scope="col", class_="number") for label in labels]
    rows = []
    for place, label in enumerate(labels):
        total = sum(matrix[place])
        cells = [_confused(count, total, right=place == column) for column, count in enumerate(matrix[place])]
        rows.append(element("tr", element("th", label, scope="row"), *cells))
    table = element("table", element("thead", element("tr", *heads)), element("tbody", *rows), class_="confusion")
    scroll = element("div", table, class_="scroll", tabindex=0, role="region", aria_label=title)
    return element("figure", element("figcaption", title), scroll, class_="chart")


def _confused(count: int, total: int, *, right: bool) -> Markup:
    share = count / total if total else 0.0
    shade = min(int(share * _SHADES + 0.999), _SHADES)
    note = element("span", f" {words.percent(share, 0)}", class_="note")
    return element("td", words.figure(count), note, class_=f"number {'right' if right else 'wrong'} shade-{shade}")


# --- lines ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Line:
    """A series as numbers: points, and the interval where both of its ends are known."""

    name: str
    points: Sequence[tuple[float, float | None]]
    band: Sequence[tuple[float, float, float]]

    def values(self) -> list[float]:
        return [v for _, v in self.points if v is not None] + [v for _, *ends in self.band for v in ends]

    def places(self) -> list[float]:
        return [place for place, _ in self.points] + [place for place, _, _ in self.band]


def _numbers(series: Series) -> _Line:
    points = [(number_of(place), known(value)) for place, value in thinned(series.points, _MOST_POINTS)]
    ends = [(number_of(place), known(low), known(high)) for place, low, high in thinned(series.band, _MOST_POINTS)]
    band = [(place, low, high) for place, low, high in ends if low is not None and high is not None]
    return _Line(series.name, points, band)


def _line(series: _Line, scales: tuple[Scale, Scale], shown: str, write: Write, tell: Write) -> Markup:
    horizontal, vertical = scales
    placed = [(horizontal(x), None if y is None else vertical(y)) for x, y in series.points]
    parts: list[Markup] = []
    if len(series.band) > 1:
        upper = [(horizontal(x), vertical(high)) for x, _, high in series.band]
        lower = [(horizontal(x), vertical(low)) for x, low, _ in reversed(series.band)]
        parts.append(element("path", class_=f"band {shown}", d=path([*upper, *lower]) + "Z"))
    elif series.band:  # of a single point: a whisker
        place, low, high = series.band[0]
        at = horizontal(place)
        parts.append(element("line", class_=f"line {shown}", x1=at, x2=at, y1=vertical(low), y2=vertical(high)))
    parts.append(element("path", class_=f"line {shown}", d=path(placed)))
    if len(placed) <= _MANY:
        for (x, y), (place, value) in zip(placed, series.points, strict=True):
            if y is not None and value is not None:
                told = element("title", f"{series.name}, {tell(place)}: {write(value)}")
                parts.append(element("circle", told, class_=f"dot {shown}", cx=x, cy=y, r=4.0))
    return together(parts)


def _line_table(first: str, drawn: Sequence[_Line], write: Write, tell: Write) -> Table:
    found = [dict(each.points) for each in drawn]
    places = sorted({place for points in found for place in points})
    rows = []
    for place in places:
        values = [points.get(place) for points in found]
        rows.append([tell(place), *(words.NONE if value is None else write(value) for value in values)])
    return Table([first, *(each.name for each in drawn)], rows)


def _number_ticks(low: float, high: float) -> list[tuple[float, str]]:
    marks = ticks(low, high)
    write = writer(percent=False, extent=high - low, step=marks[1] - marks[0] if len(marks) > 1 else 0.0)
    return [(place, write(place)) for place in marks]


def _moment_of(seconds: float) -> str:
    return moment(datetime.fromtimestamp(seconds, UTC))
