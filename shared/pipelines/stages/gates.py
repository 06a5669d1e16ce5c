"""What a stage's candidate must pass: it agrees with people, no less than the active model, and keeps to the rules."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from shared.contracts import JsonObject, Outcome, Verdict
from shared.gates import minimum_rows, no_regression
from shared.pipeline import Comparison
from shared.pipelines.stages.policy import policy

ROWS: Final = "eval_rows"
AGREEMENT: Final = "agreement"
_SHARES: Final = frozenset({"schema_validity", "grounding", "forbidden_share", "homogeneity"})
_MEASURED: Final = frozenset({"p95_seconds", "cost_usd"})


def gates(comparisons: Sequence[Comparison]) -> Sequence[Verdict]:
    """Return the verdicts for each window: enough rows, no regression, and each figure within its bound."""
    rules = policy()
    return [
        verdict
        for comparison in comparisons
        for verdict in (
            enough_rows(len(comparison.candidate.per_row), rules.evals.min_rows, window=comparison.window),
            no_regression(comparison, rules.model.gate),
            *figure_verdicts(comparison.candidate.metrics, window=comparison.window, agreement=True),
        )
    ]


def enough_rows(rows: int, least: int, *, window: str, what: str = "held-out approved rows") -> Verdict:
    """Ask for a minimum of evaluated rows. None at all is a failure, which nobody may waive."""
    if rows:
        return minimum_rows(ROWS, rows, least, what=what, window=window)
    return Verdict(
        gate=ROWS, window=window, outcome=Outcome.FAIL, figures={"rows": 0, "least": least},
        sentence=f"Zero evaluated rows: there are no {what}. Approve rows of more businesses (stages.approve).",
    )  # fmt: skip


class _Bound(NamedTuple):
    """How far a figure may go, and what it says as a part of a sentence. ``least``: it must be so much at least."""

    name: str
    limit: float
    said: str
    least: bool = False

    def shown(self, value: float) -> str:
        return f"{value:.1%}" if self.name in _SHARES else f"{value:.4g}"


def figure_verdicts(figures: JsonObject, *, window: str, agreement: bool, of: str = "") -> Iterator[Verdict]:
    """Yield a verdict for each figure of an eval; ``agreement``: also of how far answers agree with approved ones.

    ``of`` begins each sentence, where it is not about a stage's own rows.
    """
    for bound in _bounds():
        if agreement or bound.name != AGREEMENT:
            yield _verdict(bound, figures, window, of)


def _bounds() -> tuple[_Bound, ...]:
    rules = policy().evals
    return (
        _Bound("schema_validity", rules.min_schema_validity, "of the first answers keep the contract", least=True),
        _Bound("grounding", rules.min_grounding, "of the evidence is in the input", least=True),
        _Bound("forbidden_share", rules.max_forbidden_share, "of the first answers have forbidden or personal words"),
        _Bound(AGREEMENT, rules.min_agreement, "is the agreement with approved outputs", least=True),
        _Bound("homogeneity", rules.max_homogeneity, "of the answers are the same words"),
        _Bound("p95_seconds", rules.max_p95_seconds, "seconds is what 95 of 100 answers take at most"),
        _Bound("cost_usd", rules.max_cost_usd, "dollars is the mean cost"),
    )


def _verdict(bound: _Bound, figures: JsonObject, window: str, of: str) -> Verdict:
    """Judge one figure. A time or cost that nobody measured (answers of long ago) is not held against a model."""
    found, limit = figures.get(bound.name), bound.limit
    if found is None:
        unmeasured = bound.name in _MEASURED and figures.get("rows")
        outcome = Outcome.PASS if unmeasured else Outcome.INSUFFICIENT
        said = f"Nothing shows the {bound.name.replace('_', ' ')}"
    else:
        outcome = Outcome.PASS if (found >= limit if bound.least else found <= limit) else Outcome.FAIL
        said = f"{bound.shown(found)} {bound.said}"
    word = "least" if bound.least else "most"
    return Verdict(
        gate=bound.name,
        window=window,
        outcome=outcome,
        sentence=f"{of}{said}; {bound.shown(limit)} is the {word}.",
        figures={"value": found, word: limit},
    )
