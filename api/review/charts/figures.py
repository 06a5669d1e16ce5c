"""The frame of a chart: title, drawing, legend, and the same figures as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from api.review import words
from api.review.charts.drawing import (
    BELOW,
    SERIES,
    TOP,
    WIDTH,
    Mark,
    Scale,
    Write,
    element,
    number_of,
    thinned,
    together,
)

HEIGHT: Final = 260.0
_TABLE_ROWS: Final = 100  # points between are left out evenly
_SMALL: Final = 0.02


@dataclass(frozen=True)
class Table:
    """The figures of a chart; the first cell of a row says what it is about."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def figure(
    title: str, drawing: Markup, height: float, *, table: Table, names: Sequence[str] = (), x: str = "", y: str = ""
) -> Markup:
    """Return a whole chart. ``names`` are the series of the legend, ``x`` and ``y`` the names of the axes."""
    axes = " ".join(f"{way}: {name}." for way, name in (("Across", x), ("Upward", y)) if name)
    series = f"Series: {', '.join(names)}." if names else ""
    told = f"{axes} {series} The figures are in the table below.".strip()
    inside = together([element("title", title), element("desc", told), drawing])
    svg = element("svg", inside, role="img", viewBox=f"0 0 {WIDTH:.0f} {height:.0f}")
    caption = element("figcaption", title, element("span", f" {y}", class_="unit") if y else "")
    below = element("p", x, class_="below") if x else ""
    return element("figure", caption, _legend(names), svg, below, _details(title, table), class_="chart")


def nothing(title: str) -> Markup:
    """Return the chart of no figures: a sentence."""
    return element(
        "figure", element("figcaption", title), element("p", "No figures yet.", class_="none"), class_="chart"
    )


def look(index: int) -> str:
    """Return the CSS class of a series."""
    return f"s{min(index, SERIES) + 1}"


def writer(percent: bool, extent: float, *, exact: bool = False, step: float = 0.0) -> Write:
    """Return how figures of an axis of this extent are written, with as many digits as tell its ticks (steps) apart."""
    if percent:
        digits = 1 if exact or extent < 10 * _SMALL else 0
        return lambda value: words.percent(value, digits)
    if step:
        digits = next((each for each in range(6) if abs(step * 10**each - (round(step * 10**each) or 1)) < _SMALL), 6)
    else:
        digits = next((each for each in range(5) if extent * 10**each >= 4), 5)  # noqa: PLR2004
    return lambda value: words.figure(int(value)) if value == int(value) else words.figure(value, digits + exact)


def moment(at: datetime) -> str:
    """Write a moment for a table: the day, and the time where it is not midnight."""
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%d}" if (utc.hour, utc.minute) == (0, 0) else f"{utc:%Y-%m-%d %H:%M}"


def mark_line(mark: Mark, across: Scale, height: float) -> Markup:
    """Draw something that happened: a line from top to bottom whose words show when it is pointed at."""
    place = number_of(mark.at)
    if not across.low <= place <= across.high:
        return Markup("")
    at = across(place)
    return element(
        "g",
        element("title", mark.text),
        element("line", class_="mark", x1=at, x2=at, y1=TOP - 4, y2=height - BELOW),
        element("circle", class_="mark", cx=at, cy=TOP - 4, r=4.0),
    )


def _legend(names: Sequence[str]) -> Markup:
    if not names:
        return Markup("")
    entries = [
        element("li", element("span", class_=f"key {look(index)}", aria_hidden="true"), name)
        for index, name in enumerate(names)
    ]
    return element("ul", together(entries), class_="legend")


def _details(title: str, table: Table) -> Markup:
    head = element("tr", together([element("th", name, scope="col") for name in table.heads]))
    rows = [
        element("tr", element("th", row[0], scope="row"), *(element("td", cell, class_="number") for cell in row[1:]))
        for row in thinned(table.rows, _TABLE_ROWS)
    ]
    inside = element("table", element("thead", head), element("tbody", together(rows)))
    scroll = element("div", inside, class_="scroll", tabindex=0, role="region", aria_label=f"Figures: {title}")
    return element("details", element("summary", "Figures", element("span", f" of {title}", class_="hidden")), scroll)
