"""What a candidate must pass: parity with torch, no worse than the baseline, no worse than the active model.

The last two draw whole webcams. Parity is asked on the whole frozen test split.
"""

from collections.abc import Sequence
from typing import Final

from shared.contracts import Outcome, Verdict
from shared.gates import no_regression
from shared.pipeline import Comparison
from shared.pipelines.images.model_policy import model_policy

PARITY: Final = "parity"
BASELINE: Final = "baseline"


def gates(comparisons: Sequence[Comparison]) -> Sequence[Verdict]:
    """Return the verdicts of each window."""
    return [
        verdict
        for comparison in comparisons
        for verdict in (
            parity(comparison),
            against_baseline(comparison),
            no_regression(comparison, model_policy().gate),
        )
    ]


def parity(comparison: Comparison) -> Verdict:
    """Ask whether ONNX and torch gave the candidate's rows the same scores, within the policy's tolerance."""
    found = comparison.candidate.metrics.get("parity")
    tolerance = model_policy().parity.tolerance
    if not isinstance(found, dict):
        return Verdict(
            gate=PARITY, window=comparison.window, outcome=Outcome.INSUFFICIENT,
            sentence="The model has no checkpoint beside it, so its ONNX file could not be compared with torch.",
        )  # fmt: skip
    gap, rows = float(found["greatest_gap"]), int(found["rows"])
    passed = gap <= tolerance  # not true of NaN either
    return Verdict(
        gate=PARITY,
        window=comparison.window,
        outcome=Outcome.PASS if passed else Outcome.FAIL,
        sentence=f"On {rows} held-out pictures the scores of ONNX and torch differ by {gap:.2e} at most: "
        f"{'within' if passed else 'more than'} the tolerance of {tolerance:.0e}.",
        figures={"rows": rows, "greatest_gap": gap, "tolerance": tolerance},
    )


def against_baseline(comparison: Comparison) -> Verdict:
    """Return what the comparison with the baseline scorer has shown (``score.py``)."""
    base = comparison.candidate.metrics.get("baseline")
    if not isinstance(base, dict):
        return Verdict(
            gate=BASELINE, window=comparison.window, outcome=Outcome.INSUFFICIENT,
            sentence="The baseline scorer was not asked about these pictures.",
        )  # fmt: skip
    found = Verdict.model_validate(base["verdict"])
    sentence = found.sentence.replace("the active model", "the baseline scorer")
    return found.model_copy(update={"gate": BASELINE, "window": comparison.window, "sentence": sentence})
