"""What a candidate must pass: no regression in any window (all held-out rows, and the last 30 days)."""

from collections.abc import Sequence

from shared.contracts import Verdict
from shared.gates import no_regression
from shared.pipeline import Comparison
from shared.pipelines.router.policy import policy


def gates(comparisons: Sequence[Comparison]) -> Sequence[Verdict]:
    """Return one verdict for each window."""
    return [no_regression(comparison, policy().gate) for comparison in comparisons]
