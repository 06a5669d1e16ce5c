"""Charts of an evaluation as SVG, drawn from its figures alone: precision over recall, and calibration."""

from collections.abc import Sequence
from typing import Final

from shared.contracts import JsonObject

_SIDE: Final = 320
_EDGE: Final = 44
_INNER: Final = _SIDE - 2 * _EDGE
_TICKS: Final = (0.0, 0.5, 1.0)


def precision_recall(points: Sequence[JsonObject]) -> str:
    """Return the precision at each recall, with the lower end of its interval dashed below it."""
    shown = [p for p in points if p["merges"] and p["recall"] is not None]
    line = _line([(p["recall"], p["precision"]) for p in shown])
    low = _line([(p["recall"], p["low"]) for p in shown], dashed=True)
    return _chart("Precision (line) and its lower bound (dashed) by recall", "recall", "precision", line + low)


def calibration(figures: JsonObject) -> str:
    """Return the share of true merges by the probability that was said; on the diagonal all is as was said."""
    bins = figures.get("bins") or []
    dots = "".join(
        f'<circle cx="{_x(b["said"])}" cy="{_y(b["true"])}" r="{min(3 + b["pairs"] ** 0.5 / 2, 12):.1f}"'
        ' fill="currentColor" fill-opacity="0.6"/>'
        for b in bins
    )
    diagonal = _line([(0, 0), (1, 1)], dashed=True)
    return _chart("Share of true merges by probability", "probability", "share", diagonal + dots)


def _chart(title: str, across: str, up: str, drawn: str) -> str:
    ticks = "".join(
        f'<text x="{_x(t)}" y="{_SIDE - _EDGE + 16}" text-anchor="middle">{t:g}</text>'
        f'<text x="{_EDGE - 6}" y="{_y(t)}" text-anchor="end" dominant-baseline="middle">{t:g}</text>'
        for t in _TICKS
    )
    frame = (
        f'<rect x="{_EDGE}" y="{_EDGE}" width="{_INNER}" height="{_INNER}" fill="none" stroke="currentColor"'
        ' stroke-opacity="0.4"/>'
    )
    words = (
        f'<text x="{_SIDE / 2:g}" y="{_SIDE - 8}" text-anchor="middle">{across}</text>'
        f'<text x="12" y="{_SIDE / 2:g}" text-anchor="middle" transform="rotate(-90 12 {_SIDE / 2:g})">{up}</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIDE} {_SIDE}" width="{_SIDE}" height="{_SIDE}"'
        f' font-family="sans-serif" font-size="11" fill="currentColor" role="img"><title>{title}</title>'
        f"{frame}{ticks}{words}{drawn}</svg>\n"
    )


def _line(points: Sequence[tuple[float, float]], *, dashed: bool = False) -> str:
    places = " ".join(f"{_x(x)},{_y(y)}" for x, y in points)
    dash = ' stroke-dasharray="4 3" stroke-opacity="0.6"' if dashed else ""
    return f'<polyline points="{places}" fill="none" stroke="currentColor" stroke-width="1.5"{dash}/>'


def _x(value: float) -> float:
    return round(_EDGE + value * _INNER, 1)


def _y(value: float) -> float:
    return round(_SIDE - _EDGE - value * _INNER, 1)
