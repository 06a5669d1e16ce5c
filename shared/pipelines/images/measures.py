"""Figures of scores against what people said, in NumPy: for each epoch, and for reports."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from shared.pipelines.images.contracts import TargetType

Floats = NDArray[np.float64]

_HALF: Final = 0.5
_LEAST: Final = 1e-7


def quick_figures(logits: Floats, targets: NDArray[np.floating], surface: TargetType) -> dict[str, float]:
    """Return the loss (cross entropy, nats) and the figure that people know: accuracy, or the error in stars."""
    shares = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
    wanted = np.asarray(targets, dtype=np.float64)
    safe = np.clip(shares, _LEAST, 1 - _LEAST)
    loss = float(-(wanted * np.log(safe) + (1 - wanted) * np.log(1 - safe)).mean())
    if surface == "binary":
        return {"loss": loss, "val_accuracy": float(((shares > _HALF) == (wanted > _HALF)).mean())}
    return {"loss": loss, "val_mae_stars": float(4 * np.abs(shares - wanted).mean())}


def auc(scores: Floats, good: NDArray[np.bool_]) -> float | None:
    """Return the chance that a good picture scores above another one (ties count half); None without both kinds.

    The Mann-Whitney statistic over the number of pairs.
    """
    positives, negatives = int(good.sum()), int((~good).sum())
    if not positives or not negatives:
        return None
    ranks = rankdata(scores)
    return float((ranks[good].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def f1(said: NDArray[np.bool_], good: NDArray[np.bool_]) -> float | None:
    """Return the harmonic mean of precision and recall; None when nothing is good and nothing is said to be."""
    both = int(said.sum()) + int(good.sum())
    return 2 * int((said & good).sum()) / both if both else None


def spearman(one: Floats, other: Floats) -> float | None:
    """Return the correlation of the ranks; None where one of the two never changes."""
    ranks = rankdata(one), rankdata(other)
    if len(one) < 2 or not np.ptp(ranks[0]) or not np.ptp(ranks[1]):  # noqa: PLR2004  (a line needs two points)
        return None
    return float(np.corrcoef(*ranks)[0, 1])


def r_squared(predicted: Floats, wanted: Floats) -> float | None:
    """Return the share of the variance that is explained; None where there is none."""
    total = float(((wanted - wanted.mean()) ** 2).sum())
    return 1 - float(((wanted - predicted) ** 2).sum()) / total if total else None
