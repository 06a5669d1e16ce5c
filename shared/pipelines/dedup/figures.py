"""Figures of yes-or-no answers with probabilities, in plain Python: what an evaluation of pairs says.

Precision is the share of merges that were right, recall the share of right merges that were found.
"""

import math
from collections.abc import Sequence
from itertools import groupby
from statistics import NormalDist
from typing import Final, NamedTuple

from shared.contracts import JsonObject

_DIGITS: Final = 4
_BINS: Final = 10
_LOWEST: Final = 50
_HIGHEST: Final = 100


class Judged(NamedTuple):
    """One pair: what people said, what was answered, and the probability of a merge (0 to 1; or a similarity)."""

    truth: bool
    answer: bool
    probability: float


def share(part: int, whole: int) -> float | None:
    """Return a share, rounded; None of nothing."""
    return round(part / whole, _DIGITS) if whole else None


def wilson(right: int, of: int, level: float) -> tuple[float, float]:
    """Return the interval (two-sided, Wilson 1927) of a share that was seen ``right`` times of ``of``, at this level.

    Of nothing it is 0 to 1.
    """
    if not of:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    seen = right / of
    centre = seen + z * z / (2 * of)
    reach = z * math.sqrt(seen * (1 - seen) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)


def basics(judged: Sequence[Judged]) -> JsonObject:
    """Return accuracy, precision, recall, F1 and AUC; None where there is nothing to say it of."""
    merged = sum(each.answer for each in judged)
    true = sum(each.truth for each in judged)
    both = sum(each.answer and each.truth for each in judged)
    right = sum(each.answer == each.truth for each in judged)
    return {
        "accuracy": share(right, len(judged)),
        "precision": share(both, merged),
        "recall": share(both, true),
        "f1": share(2 * both, merged + true),
        "auc": auc(judged),
    }


def auc(judged: Sequence[Judged]) -> float | None:
    """Return how often a merge has a higher probability than a pair to keep apart; ties count half."""
    true = sum(each.truth for each in judged)
    false = len(judged) - true
    if not true or not false:
        return None
    before, wins = 0, 0.0  # pairs to keep apart that are below
    ordered = sorted(judged, key=lambda each: each.probability)
    for _, tied in groupby(ordered, key=lambda each: each.probability):
        here = [each.truth for each in tied]
        apart = len(here) - sum(here)
        wins += sum(here) * (before + apart / 2)
        before += apart
    return round(wins / (true * false), _DIGITS)


def best_accuracy(judged: Sequence[Judged]) -> float | None:
    """Return the accuracy of the threshold that suits these very pairs best: a bound for any threshold."""
    if not judged:
        return None
    right = best = sum(each.truth for each in judged)  # all are merged
    for _, tied in groupby(sorted(judged, key=lambda each: each.probability), key=lambda each: each.probability):
        for each in tied:
            right += -1 if each.truth else 1
        best = max(best, right)
    return share(best, len(judged))


def curve(judged: Sequence[Judged], level: float) -> list[JsonObject]:
    """Return for each threshold from 0.50 to 1.00, by 0.01: merges, right ones, precision with its interval, recall."""
    true = sum(each.truth for each in judged)
    return [_point(judged, hundredths / 100, true, level) for hundredths in range(_LOWEST, _HIGHEST + 1)]


def _point(judged: Sequence[Judged], threshold: float, true: int, level: float) -> JsonObject:
    kept = [each.truth for each in judged if each.answer and each.probability >= threshold]
    right = sum(kept)
    low, high = wilson(right, len(kept), level)
    return {
        "threshold": threshold,
        "merges": len(kept),
        "right": right,
        "precision": share(right, len(kept)),
        "low": round(low, _DIGITS),
        "high": round(high, _DIGITS),
        "recall": share(right, true),
    }


def at(points: Sequence[JsonObject], threshold: float) -> JsonObject | None:
    """Return the point of a curve at a threshold (to the hundredth); None: the curve does not reach there."""
    wanted = round(threshold * 100)
    return next((point for point in points if round(float(point["threshold"]) * 100) == wanted), None)


def calibration(judged: Sequence[Judged]) -> JsonObject:
    """Return ten bins of probability, with what was said and what was true in each, and the expected error (ECE)."""
    bins: list[list[Judged]] = [[] for _ in range(_BINS)]
    for each in judged:
        bins[min(int(each.probability * _BINS), _BINS - 1)].append(each)
    told, off = [], 0.0
    for place, filled in enumerate(bins):
        if filled:
            said = math.fsum(each.probability for each in filled) / len(filled)
            true = sum(each.truth for each in filled) / len(filled)
            off += abs(said - true) * len(filled)
            told.append(
                {
                    "from": place / _BINS,
                    "pairs": len(filled),
                    "said": round(said, _DIGITS),
                    "true": round(true, _DIGITS),
                }
            )
    return {"ece": round(off / len(judged), _DIGITS) if judged else None, "bins": told}
