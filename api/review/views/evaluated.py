"""An evaluation as its page shows it: candidate beside active on the same rows, in tables and small drawings.

Whatever a pipeline measures is shown, by the shape of its figures: numbers in tables, a matrix of confusion, and the
curve and bins that the pipeline declares (``Pipeline.figures``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from api.review import charts
from api.review.charts import Bin, Series
from api.review.views.headline import number, windows_of
from shared.contracts import JsonObject
from shared.pipeline import Pipeline
from shared.presentation import Figures

_INTERVALS: Final = "intervals"
_LEFT_OUT: Final = frozenset({"rows", _INTERVALS, "verdict"})
_DEEPEST: Final = 3


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of both models. ``better``: the first one's is, by the pipeline's word; None: equal, or nobody knows.

    ``low`` and ``high`` are the interval of the first one's.
    """

    name: str
    value: float | None
    other: float | None
    low: float | None = None
    high: float | None = None
    better: bool | None = None

    @property
    def difference(self) -> float | None:
        """By how much the first one's is more."""
        return None if self.value is None or self.other is None else self.value - self.other


@dataclass(frozen=True, kw_only=True)
class Group:
    """Figures that belong together: ``name`` is empty for those that stand for the whole window."""

    name: str
    figures: Sequence[Figure]


@dataclass(frozen=True, kw_only=True)
class Window:
    """One window of an evaluation: its rows, its figures and its drawings."""

    name: str
    rows: int
    groups: Sequence[Group]
    drawings: Sequence[Markup]


def windows(pipeline: Pipeline[Any, Any], metrics: JsonObject, names: tuple[str, str]) -> list[Window]:
    """Return an evaluation's windows; ``names`` are those of the model and of the one that was active then."""
    return [_window(pipeline, window, metrics[window], names) for window in windows_of(pipeline, metrics)]


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Return nested values by dotted names; a list is one value."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _window(pipeline: Pipeline[Any, Any], name: str, found: JsonObject, names: tuple[str, str]) -> Window:
    ours, other = found.get("candidate") or {}, found.get("active") or {}
    return Window(
        name=name,
        rows=int(found.get("rows") or 0),
        groups=_groups(pipeline.figures, ours, other),
        drawings=[
            drawing for draw in (_confusions, _curves, _calibration) for drawing in draw(pipeline, ours, other, names)
        ],
    )


# --- tables -----------------------------------------------------------------------------------------------------------


def _groups(shown: Figures, ours: JsonObject, other: JsonObject) -> list[Group]:
    """Sort figures into groups by what leads to them, the headline first of all."""
    intervals = ours.get(_INTERVALS) or {}
    groups: dict[str, list[Figure]] = {"": []}
    for path in _paths(ours):
        group, _, name = ".".join(path).rpartition(".")
        groups.setdefault(group, []).append(
            _figure(shown, name, _at(ours, path), _at(other, path), intervals if not group else {})
        )
    first = {name: place for place, name in enumerate(shown.headline)}
    groups[""].sort(key=lambda figure: first.get(figure.name, len(first)))
    return [Group(name=name, figures=figures) for name, figures in groups.items() if figures]


def _paths(values: JsonObject, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in values.items():
        if name in _LEFT_OUT:
            continue
        if isinstance(value, dict) and len(before) < _DEEPEST:
            yield from _paths(value, (*before, name))
        elif value is None or number(value) is not None:
            yield (*before, name)


def _figure(shown: Figures, name: str, value: float | None, other: float | None, intervals: JsonObject) -> Figure:
    ends = intervals.get(name)
    low, high = ends if isinstance(ends, list) and len(ends) == 2 else (None, None)  # noqa: PLR2004  (both its ends)
    better = None
    if (
        value is not None
        and other is not None
        and value != other
        and (name in shown.headline or name in shown.less_is_better)
    ):
        better = (value < other) == (name in shown.less_is_better)
    return Figure(name=name, value=value, other=other, low=number(low), high=number(high), better=better)


def _at(values: JsonObject, path: Sequence[str]) -> float | None:
    found: Any = values
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return number(found)


# --- drawings ---------------------------------------------------------------------------------------------------------


def _confusions(
    _pipeline: Pipeline[Any, Any], ours: JsonObject, other: JsonObject, names: tuple[str, str]
) -> list[Markup]:
    drawn = []
    for name, figures in zip(names, (ours, other), strict=True):
        matrix: Any = figures.get("confusion")
        labels: Any = figures.get("labels")
        if _is_matrix(matrix) and isinstance(labels, list):
            drawn.append(charts.confusion(f"Confusion of {name}", matrix, [str(label) for label in labels]))
    return drawn


def _is_matrix(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, list) for row in value)


def _curves(pipeline: Pipeline[Any, Any], ours: JsonObject, other: JsonObject, names: tuple[str, str]) -> list[Markup]:
    curve = pipeline.figures.curve
    if curve is None:
        return []
    series = []
    for name, figures in zip(names, (ours, other), strict=True):
        entries = [each for each in _entries(figures, curve.name) if number(each.get(curve.x)) is not None]
        points = [(float(each[curve.x]), number(each.get(curve.y))) for each in entries]
        band = [
            (float(each[curve.x]), float(each[curve.low]), float(each[curve.high])) for each in entries
            if number(each.get(curve.low)) is not None and number(each.get(curve.high)) is not None
        ]  # fmt: skip
        if points:
            series.append(Series(name=name, points=points, band=band))
    title = (
        f"{curve.y.capitalize()} at each {curve.x}, with its interval" if curve.low else f"{curve.y} at each {curve.x}"
    )
    return [charts.line(title, series, x=curve.x, y=curve.y, percent=True)] if series else []


def _calibration(
    pipeline: Pipeline[Any, Any], ours: JsonObject, other: JsonObject, names: tuple[str, str]
) -> list[Markup]:
    bins = pipeline.figures.bins
    if bins is None:
        return []
    models = []
    for name, figures in zip(names, (ours, other), strict=True):
        found = [
            Bin(float(each[bins.said]), float(each[bins.true]), int(each.get(bins.rows) or 0))
            for each in _entries(figures, bins.name)
            if number(each.get(bins.said)) is not None and number(each.get(bins.true)) is not None
        ]
        if found:
            models.append((name, found))
    return [charts.calibration("Calibration: how sure it was, and how often it was right", models)] if models else []


def _entries(figures: JsonObject, name: str) -> list[JsonObject]:
    found: Any = figures
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
