"""What a candidate must pass: enough held-out pairs, no worse than the active model, better than plain similarity."""

from collections.abc import Sequence
from typing import Final

from shared.contracts import Outcome, Verdict
from shared.gates import minimum_rows, no_regression
from shared.pipeline import Comparison
from shared.pipelines.dedup.policy import policy

ROWS: Final = "held_out_pairs"
SIMILARITY: Final = "better_than_similarity"


def gates(comparisons: Sequence[Comparison]) -> Sequence[Verdict]:
    """Return three verdicts for each window."""
    rules = policy().model.gate
    return [
        verdict
        for comparison in comparisons
        for verdict in (
            minimum_rows(
                ROWS, len(comparison.candidate.per_row), rules.min_rows, what="held-out pairs", window=comparison.window
            ),
            no_regression(comparison, rules),
            _beats_similarity(comparison),
        )
    ]


def _beats_similarity(comparison: Comparison) -> Verdict:
    """Ask for more right answers than the similarity alone gives on the same pairs; where that errs nowhere, as many.

    The similarity is what answers without a model (``fallback.py``), so a candidate that is no better is of no use.
    """
    metrics = comparison.candidate.metrics
    mine, theirs = metrics.get("accuracy"), metrics.get("similarity", {}).get("accuracy")
    figures = {"rows": len(comparison.candidate.per_row), "candidate": mine, "similarity": theirs}
    if mine is None or theirs is None:
        outcome, sentence = Outcome.INSUFFICIENT, "No held-out pair shows whether it is better than plain similarity."
    else:
        better = mine > theirs or mine == theirs == 1
        outcome = Outcome.PASS if better else Outcome.FAIL
        verb = "better than" if mine > theirs else "as good as" if mine == theirs else "worse than"
        sentence = (
            f"On the same held-out pairs it is {verb} plain similarity: {mine:.1%} of its answers are right, and "
            f"{theirs:.1%} of the similarity's."
        )
    return Verdict(gate=SIMILARITY, window=comparison.window, outcome=outcome, sentence=sentence, figures=figures)
