"""Distributions as charts: numbers in bins, and words as shares."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup

from api.review import charts

_BINS: Final = 20


def of_numbers(title: str, groups: Mapping[str, Sequence[float]], *, percent: bool = False) -> Markup:
    """Draw how numbers of each group are spread, as shares of the group."""
    known = {name: [value for value in values if math.isfinite(value)] for name, values in groups.items()}
    everything = [value for values in known.values() for value in values]
    if not everything:
        return charts.bars(title, [], {})
    edges = [0.0, *(n / _BINS for n in range(1, _BINS)), 1.0] if percent else _edges(min(everything), max(everything))
    counts = {name: counted(values, edges) for name, values in known.items() if values}
    return charts.histogram(title, edges, counts, percent=percent, share=True)


def counted(values: Sequence[float], edges: Sequence[float]) -> list[float]:
    """Count how many values fall between edges; what lies outside counts in the nearest bin."""
    counts = [0.0] * (len(edges) - 1)
    for value in values:
        counts[min(max(bisect_right(edges, value) - 1, 0), len(counts) - 1)] += 1
    return counts


def shares(counts: Mapping[str, float], names: Sequence[str]) -> list[float | None]:
    """Return the share of each name; nothing is known of a group that is empty."""
    total = sum(counts.values())
    return [counts.get(name, 0) / total if total else None for name in names]


def _edges(low: float, high: float) -> list[float]:
    if low == high:
        low, high = low - 0.5, high + 0.5
    return [low + (high - low) * n / _BINS for n in range(_BINS)] + [high]
