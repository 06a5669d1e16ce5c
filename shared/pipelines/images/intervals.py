"""Intervals of figures by the bootstrap, drawing whole webcams: frames of one camera are no independent witnesses."""

from collections.abc import Callable
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.pipelines.images.model_policy import EvaluationPolicy

T = TypeVar("T", bound="Grouped")


class Grouped(Protocol):
    """Rows of which each belongs to a webcam."""

    @property
    def webcams(self) -> NDArray[np.str_]:
        """The webcam of each row."""
        ...

    def of(self, rows: NDArray[Any]) -> Self:
        """Return rows by their places, some of them perhaps several times."""
        ...


def interval(found: T, figure: Callable[[T], float | None], policy: EvaluationPolicy) -> list[float] | None:
    """Return the percentile interval of a figure, [low, high]; None where it has no value, or with one webcam.

    Resamples in which the figure has no value (one class alone) are left out; with fewer than half of them left there
    is no interval.
    """
    _, places = np.unique(found.webcams, return_inverse=True)
    order = np.argsort(places, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(places))[:-1]) if len(order) else []
    if len(groups) < 2 or figure(found) is None:  # noqa: PLR2004  (one witness tells nothing of the others)
        return None
    rng = np.random.default_rng(policy.seed)
    values = []
    for _ in range(policy.resamples):
        drawn = rng.integers(0, len(groups), size=len(groups))
        value = figure(found.of(np.concatenate([groups[number] for number in drawn])))
        if value is not None:
            values.append(value)
    if 2 * len(values) < policy.resamples:
        return None
    tail = (1 - policy.interval) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return [float(low), float(high)]
