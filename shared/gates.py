"""Gates that any pipeline may use: pure functions from a comparison to a verdict.

Candidate and active are compared on the same rows, pair by pair. A paired bootstrap gives the interval of the mean
difference; a sign-flip test guards the claim that one is better. The second is there for honesty on few rows: where
only three rows differ, all against the candidate, no resample of them ever favours it, and the bootstrap alone would
call it worse; but three coins fall alike one time in eight. With both, equally good models are told apart wrongly no
more often than ``alpha``.

Where rows come in groups that are alike (``Scores.groups``), both draw whole groups: a hundred frames of one camera are
not a hundred witnesses.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import Field

from shared.contracts import Contract, Outcome, Verdict
from shared.errors import InvalidInputError
from shared.pipeline import Comparison

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_NO_REGRESSION: Final = "no_regression"
_IMPROVEMENT: Final = "improvement"

# Draws made at once: bounds the memory (8 MB for each array), not the result
_DRAWS: Final = 1_000_000


class GatePolicy(Contract):
    """The named values of a comparison, from a pipeline's ``policy.toml``."""

    alpha: float = Field(gt=0, lt=0.5, description="How often equally good models may be told apart wrongly.")
    resamples: int = Field(ge=100, le=100_000, description="Resamples of the bootstrap and of the sign flips.")
    seed: int = Field(ge=0, description="Seed of both: the same comparison always gets the same verdict.")
    min_rows: int = Field(ge=1, description="With fewer rows the verdict is insufficient.")
    margin: float = Field(
        default=0.0, ge=0, description="Mean score that may be lost without a regression, or must be gained to improve."
    )


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The mean of candidate minus active over paired rows, and how sure it is.

    ``low`` and ``high`` are one-sided bounds: the true mean lies above ``low``, and likewise below ``high``, with
    probability 1 - alpha each. ``p_worse`` and ``p_better`` are the chances that equally good models differ by as
    much in that direction.
    """

    mean: float
    low: float
    high: float
    p_worse: float
    p_better: float


def minimum_rows(gate: str, rows: int, least: int, *, what: str = "rows", window: str = "all") -> Verdict:
    """Ask for a minimum of rows. What is short of it is insufficient, which a person may waive (``short_of_rows``)."""
    enough = rows >= least
    sentence = f"{rows} {what}, and at least {least} are needed." if not enough else f"{rows} {what} are enough."
    return Verdict(
        gate=gate,
        window=window,
        outcome=Outcome.PASS if enough else Outcome.INSUFFICIENT,
        sentence=sentence,
        figures={"rows": rows, "least": least},
        short_of_rows=not enough,
    )


def no_regression(comparison: Comparison, policy: GatePolicy) -> Verdict:
    """Refuse a candidate that is shown to be worse than the active model by more than the margin.

    With no active model there is nothing to fall behind, and it passes. Raises InvalidInputError when the two were
    not scored on the same rows.
    """
    known = _without_test(_NO_REGRESSION, comparison, policy)
    if known is not None:
        return known
    found = _difference(comparison, policy)
    worse = found.high < -policy.margin and found.p_worse <= policy.alpha
    if worse:
        conclusion = f"the candidate is worse{_by_more_than(policy)}"
    else:
        conclusion = f"nothing shows that the candidate is worse{_by_more_than(policy)}"
    return _verdict(_NO_REGRESSION, comparison, found, Outcome.FAIL if worse else Outcome.PASS, conclusion)


def improvement(comparison: Comparison, policy: GatePolicy) -> Verdict:
    """Let through only a candidate that is shown to be better than the active model by more than the margin.

    It fails when it is shown not to be, and is insufficient when the rows cannot tell. With no active model any
    candidate is an improvement. Raises InvalidInputError when the two were not scored on the same rows.
    """
    known = _without_test(_IMPROVEMENT, comparison, policy)
    if known is not None:
        return known
    found = _difference(comparison, policy)
    if found.low > policy.margin and found.p_better <= policy.alpha:
        outcome, conclusion = Outcome.PASS, f"the candidate is better{_by_more_than(policy)}"
    elif found.high <= policy.margin:
        outcome, conclusion = Outcome.FAIL, f"the candidate is not better{_by_more_than(policy)}"
    else:
        outcome, conclusion = Outcome.INSUFFICIENT, "these rows cannot tell whether the candidate is better"
    return _verdict(_IMPROVEMENT, comparison, found, outcome, conclusion)


def difference(
    candidate: Sequence[float], active: Sequence[float], policy: GatePolicy, groups: Sequence[str] = ()
) -> Difference:
    """Compare paired scores (at least one pair; higher is better). Deterministic for a policy.

    ``groups`` has the group of each row, or nothing where each row stands for itself. Raises InvalidInputError when the
    lengths differ or a score is not finite.
    """
    import numpy as np

    if len(candidate) != len(active):
        raise InvalidInputError(
            f"candidate and active were scored on {len(candidate)} and {len(active)} rows: a pair needs the same rows"
        )
    gains = np.asarray(candidate, dtype=np.float64) - np.asarray(active, dtype=np.float64)
    if not np.isfinite(gains).all():
        raise InvalidInputError("a score is not a finite number")
    rng = np.random.default_rng(policy.seed)
    bounds = [policy.alpha, 1 - policy.alpha]
    if groups:
        sums, sizes = _by_group(gains, groups)
        low, high = np.quantile(_group_means(sums, sizes, policy.resamples, rng), bounds)
        p_worse, p_better = _sign_flip(sums, policy.resamples, rng)
    else:
        gains.sort()  # so that the order of the rows decides nothing
        low, high = np.quantile(_bootstrap_means(gains, policy.resamples, rng), bounds)
        p_worse, p_better = _sign_flip(gains, policy.resamples, rng)
    return Difference(mean=float(gains.mean()), low=float(low), high=float(high), p_worse=p_worse, p_better=p_better)


def _by_group(gains: "Floats", groups: Sequence[str]) -> "tuple[Floats, Floats]":
    """Return the sum and the rows of each group, in an order in which neither rows nor names have a say."""
    import numpy as np

    if len(groups) != len(gains):
        raise InvalidInputError(f"{len(groups)} groups were given for {len(gains)} rows")
    _, places = np.unique(np.asarray(groups), return_inverse=True)
    order = np.argsort(gains, kind="stable")  # sums of the same numbers must not depend on the rows' order either
    sums = np.bincount(places[order], weights=gains[order]).astype(np.float64)
    sizes = np.bincount(places).astype(np.float64)
    order = np.lexsort((sizes, sums))
    return sums[order], sizes[order]


def _group_means(sums: "Floats", sizes: "Floats", resamples: int, rng: "np.random.Generator") -> "Floats":
    """Return the mean over the rows of each resample of the groups."""
    import numpy as np

    groups = len(sums)
    means = []
    for draws in _batches(groups, resamples):
        drawn = rng.integers(0, groups, size=(draws, groups), dtype=np.int32)
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return np.concatenate(means)


def _bootstrap_means(gains: "Floats", resamples: int, rng: "np.random.Generator") -> "Floats":
    """Return the mean of each resample of the rows."""
    import numpy as np

    rows = len(gains)
    means = [
        gains[rng.integers(0, rows, size=(draws, rows), dtype=np.int32)].mean(axis=1)
        for draws in _batches(rows, resamples)
    ]
    return np.concatenate(means)


def _sign_flip(gains: "Floats", resamples: int, rng: "np.random.Generator") -> tuple[float, float]:
    """Return the chances of a sum as low, and as high, as seen if each row had favoured either model by a fair coin.

    Counting the sum itself as one of the draws keeps the test exact: (hits + 1) / (resamples + 1).
    """
    import numpy as np

    sizes = np.abs(gains[gains != 0])
    seen, most = float(gains.sum()), float(sizes.sum())
    slack = 1e-9 * max(1.0, most)  # sums of the same numbers in another order
    as_low = as_high = 1
    for draws in _batches(max(1, len(sizes)), resamples):
        coins = np.frombuffer(rng.bytes(draws * -(-len(sizes) // 8)), dtype=np.uint8).reshape(draws, -1)
        sums = 2 * (np.unpackbits(coins, axis=1, count=len(sizes)) @ sizes) - most
        as_low += int((sums <= seen + slack).sum())
        as_high += int((sums >= seen - slack).sum())
    return as_low / (resamples + 1), as_high / (resamples + 1)


def _batches(rows: int, resamples: int) -> list[int]:
    """Divide the resamples so that a batch draws about ``_DRAWS`` rows."""
    size = max(1, _DRAWS // rows)
    return [min(size, resamples - start) for start in range(0, resamples, size)]


def _difference(comparison: Comparison, policy: GatePolicy) -> Difference:
    active = comparison.active.per_row if comparison.active else ()
    return difference(comparison.candidate.per_row, active, policy, comparison.candidate.groups)


def _without_test(gate: str, comparison: Comparison, policy: GatePolicy) -> Verdict | None:
    """Answer the cases that need no statistics: nothing to compare with, or too few rows."""
    rows = len(comparison.candidate.per_row)
    figures: dict[str, float | int | None] = {
        "rows": rows,
        "candidate": _mean(comparison.candidate.per_row),
        "active": _mean(comparison.active.per_row) if comparison.active else None,
    }
    short = False
    if comparison.active is None:
        outcome, sentence = Outcome.PASS, "No model is active, so there is nothing to compare the candidate with."
    elif rows < policy.min_rows:
        outcome, short = Outcome.INSUFFICIENT, True
        sentence = (
            f"Only {_rows(rows)} in window {comparison.window}: at least {policy.min_rows} are needed to compare."
        )
    else:
        return None
    return Verdict(
        gate=gate,
        window=comparison.window,
        outcome=outcome,
        sentence=sentence,
        figures=figures,
        short_of_rows=short,
    )


def _verdict(gate: str, comparison: Comparison, found: Difference, outcome: Outcome, conclusion: str) -> Verdict:
    candidate = _mean(comparison.candidate.per_row) or 0.0
    active = candidate - found.mean
    rows = len(comparison.candidate.per_row)
    sentence = (
        f"On {_rows(rows)} of window {comparison.window} the candidate scores {candidate:.4f} and the active model "
        f"{active:.4f}, a difference of {found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f}): {conclusion}."
    )
    figures: dict[str, float | int | None] = {
        "rows": rows, "candidate": candidate, "active": active, "difference": found.mean, "low": found.low,
        "high": found.high, "p_worse": found.p_worse, "p_better": found.p_better,
    }  # fmt: skip
    return Verdict(gate=gate, window=comparison.window, outcome=outcome, sentence=sentence, figures=figures)


def _mean(scores: Sequence[float]) -> float | None:
    return math.fsum(scores) / len(scores) if len(scores) else None


def _rows(count: int) -> str:
    return "1 held-out row" if count == 1 else f"{count} held-out rows"


def _by_more_than(policy: GatePolicy) -> str:
    return f" by more than {policy.margin:g}" if policy.margin else ""
