"""The one figure that stands for a model where there is room for one, as its pipeline declares it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts import JsonObject
from shared.pipeline import Pipeline

TRAINING = "train"
"""The entry of a model's metrics that training wrote: all others are windows of its latest evaluation."""


@dataclass(frozen=True, kw_only=True)
class Headline:
    """A figure with its name and its window. ``less_is_better``: as of an error."""

    name: str
    window: str
    value: float
    less_is_better: bool


def headline_of(pipeline: Pipeline[Any, Any], metrics: JsonObject) -> Headline | None:
    """Return the headline figure of a model's metrics, of the widest window; None: it has not been evaluated."""
    for window in windows_of(pipeline, metrics):
        figures = metrics[window].get("candidate") or {}
        for name in pipeline.figures.headline:
            value = number(figures.get(name))
            if value is not None:
                worse = name in pipeline.figures.less_is_better
                return Headline(name=name, window=window, value=value, less_is_better=worse)
    return None


def windows_of(pipeline: Pipeline[Any, Any], metrics: Mapping[str, Any]) -> list[str]:
    """Return the windows that metrics have: the pipeline's own first, in its order."""
    return [*(name for name in pipeline.windows if name in metrics),
            *(name for name in metrics if name not in pipeline.windows and name != TRAINING)]  # fmt: skip


def number(value: object) -> float | None:
    """Return a value that is a number, or None. True and False are none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
