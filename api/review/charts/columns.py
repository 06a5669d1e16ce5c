"""Charts of bars and columns: amounts by name, parts over time, how often values occur."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from markupsafe import Markup

from api.review import words
from api.review.charts.drawing import (
    LEFT,
    RIGHT,
    WIDTH,
    Mark,
    Scale,
    Write,
    element,
    horizontal_axis,
    known,
    number_of,
    ticks,
    time_ticks,
    together,
    upward,
    vertical_axis,
)
from api.review.charts.figures import HEIGHT, Table, figure, look, mark_line, moment, nothing, writer

_BAR: Final = 18.0
_LONGEST_NAME: Final = 60


def bars(
    title: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    *,
    percent: bool = False,
    high: float | None = None,
) -> Markup:
    """Draw a bar for each label and series, one below the other; labels stand above their bars and may be long."""
    shown = [value for values in series.values() for value in map(known, values) if value is not None]
    if not labels or not shown:
        return nothing(title)
    top = (max(shown) if high is None else high) or 1.0
    scale = Scale(0, top, 0, WIDTH - 90)
    write = writer(percent, top, exact=True)
    parts: list[Markup] = []
    y = 4.0
    for place, label in enumerate(labels):
        parts.append(element("text", _cut(label), class_="name", x=0.0, y=y + 15))
        y += 24
        for index, (name, values) in enumerate(series.items()):
            value = known(values[place])
            written, size = _or_dash(value, write), scale(value or 0.0)
            told = element("title", f"{label}, {name}: {written}")
            drawn = {"x": 0.0, "y": y, "width": max(size, 1.5), "height": _BAR, "rx": 2.0}
            parts.append(element("rect", told, class_=f"bar {look(index)}", **drawn))
            parts.append(element("text", written, class_="value", x=size + 8, y=y + _BAR / 2, dy=".35em"))
            y += _BAR + 5
        y += 8
    names = list(series) if len(series) > 1 else []
    rows = [
        [label, *(_or_dash(values[place], write) for values in series.values())] for place, label in enumerate(labels)
    ]
    return figure(title, together(parts), y, names=names, table=Table(["", *series], rows))


def stacked(
    title: str,
    columns: Sequence[datetime],
    step: timedelta,
    series: Mapping[str, Sequence[float | None]],
    *,
    share: bool = True,
    marks: Sequence[Mark] = (),
    height: float = HEIGHT,
) -> Markup:
    """Draw a column for each period (its start; all ``step`` long), of one part a series; as shares of it, or as sums.

    ``series`` has one figure for each column; a column of nothing is a gap.
    """
    counts = {name: [max(known(value) or 0.0, 0.0) for value in values] for name, values in series.items()}
    totals = [sum(values[place] for values in counts.values()) for place in range(len(columns))]
    if not any(totals):
        return nothing(title)
    size = step.total_seconds()
    horizontal = Scale(number_of(columns[0]), number_of(columns[-1]) + size, LEFT, RIGHT)
    vertical, steps = upward([0.0, 1.0 if share else max(totals)], height, 0.0, 1.0 if share else None)
    parts = [
        vertical_axis(vertical, steps, writer(share, vertical.high)),
        horizontal_axis(horizontal, time_ticks(horizontal.low, horizontal.high), height),
    ]
    for place, column in enumerate(columns):
        below = 0.0
        for index, (name, values) in enumerate(counts.items()):
            part = values[place] / totals[place] if share and totals[place] else values[place]
            if part:
                told = f"{moment(column)}, {name}: {words.percent(part) if share else words.figure(part)}"
                parts.append(
                    _column((horizontal, vertical), (number_of(column), size), (below, below + part), look(index), told)
                )
            below += part
    parts += [mark_line(mark, horizontal, height) for mark in marks]
    rows = [
        [moment(column), *(words.figure(_whole(values[place])) for values in counts.values())]
        for place, column in enumerate(columns)
    ]
    return figure(title, together(parts), height, names=list(counts), table=Table(["from", *counts], rows))


def histogram(
    title: str, edges: Sequence[float], series: Mapping[str, Sequence[float]], *, x: str = "", percent: bool = False,
    share: bool = False, height: float = HEIGHT,
) -> Markup:  # fmt: skip
    """Draw how often values fall between edges (one more than counts): the first series as columns, others as lines.

    ``share`` draws each series as a share of its own sum, so that series of unlike sizes can be compared.
    """
    sums = {name: (sum(values) or 1.0) if share else 1.0 for name, values in series.items()}
    drawn = {name: [(known(value) or 0.0) / sums[name] for value in values] for name, values in series.items()}
    if not any(value for values in drawn.values() for value in values):
        return nothing(title)
    horizontal = Scale(edges[0], edges[-1], LEFT, RIGHT)
    vertical, steps = upward([0.0, *(v for values in drawn.values() for v in values)], height, 0.0, None)
    write, below = writer(share, vertical.high), writer(percent, edges[-1] - edges[0])
    parts = [
        vertical_axis(vertical, steps, write),
        horizontal_axis(horizontal, [(each, below(each)) for each in ticks(edges[0], edges[-1])], height),
    ]
    for index, (name, values) in enumerate(drawn.items()):
        if index:
            parts.append(
                element("path", class_=f"line {look(index)}", d=_staircase(edges, values, horizontal, vertical))
            )
            continue
        for place, value in enumerate(values):
            told = f"{name}, {below(edges[place])} to {below(edges[place + 1])}: {write(value)}"
            width = edges[place + 1] - edges[place]
            parts.append(_column((horizontal, vertical), (edges[place], width), (0.0, value), look(index), told))
    rows = [
        [f"{below(edges[place])} to {below(edges[place + 1])}", *(write(values[place]) for values in drawn.values())]
        for place in range(len(edges) - 1)
    ]
    names = list(drawn) if len(drawn) > 1 else []
    return figure(title, together(parts), height, names=names, table=Table([x or "value", *drawn], rows), x=x)


# --- parts ----------------------------------------------------------------------------------------------------------


def _column(
    scales: tuple[Scale, Scale], place: tuple[float, float], ends: tuple[float, float], shown: str, told: str
) -> Markup:
    across, up = scales
    left, right = across(place[0]), across(place[0] + place[1])
    gap = min((right - left) * 0.12, 4.0)
    top, bottom = up(ends[1]), up(ends[0])
    return element(
        "rect", element("title", told), class_=f"bar {shown}",
        x=left + gap / 2, width=max(right - left - gap, 0.5), y=top, height=max(bottom - top, 0.5),
    )  # fmt: skip


def _staircase(edges: Sequence[float], values: Sequence[float], across: Scale, upward: Scale) -> str:
    points = [
        f"{across(edge):.1f} {upward(value):.1f}"
        for place, value in enumerate(values)
        for edge in (edges[place], edges[place + 1])
    ]
    return "M" + "L".join(points)


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _or_dash(value: float | None, write: Write) -> str:
    there = known(value)
    return words.NONE if there is None else write(there)


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value
