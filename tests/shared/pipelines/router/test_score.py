"""Scores: figures that can be computed by hand, and the verdicts that follow."""

from collections.abc import Sequence
from typing import get_args

import pytest

from shared.contracts import Outcome
from shared.pipeline import Answer, Comparison, Scores
from shared.pipelines.router import PIPELINE
from shared.pipelines.router.contracts import LABELS, Difficulty, Label, Prediction
from shared.pipelines.router.policy import policy
from tests.shared.pipelines.router.support import row


class Oracle:
    """Answers what the query says: ``LABEL share``."""

    def predict(self, inputs: Sequence[str]) -> list[Answer[Prediction]]:
        return [self._answer(*query.split()[:2]) for query in inputs]

    def _answer(self, said: str, share: str) -> Answer[Prediction]:
        rest = (1 - float(share)) / 2
        shares: dict[Label, float] = {label: float(share) if label == said else rest for label in LABELS}
        sure = float(share) >= policy().confidence_threshold
        return Answer(
            output=Prediction(difficulty=Difficulty(said) if sure else Difficulty.UNCERTAIN, probabilities=shares),
            confidence=float(share),
        )


def _score(*rows: tuple[str, Label]) -> Scores:
    return PIPELINE.score(Oracle(), iter([row(f"{said} {n}", truth) for n, (said, truth) in enumerate(rows)]))


def test_the_figures_are_those_of_a_hand_computation() -> None:
    scores = _score(("EASY 0.9", "EASY"), ("EASY 0.9", "HARD"), ("HARD 0.5", "HARD"), ("MEDIUM 0.7", "MEDIUM"))
    metrics = scores.metrics
    assert scores.per_row == [1, 0, 1, 1]
    assert metrics["rows"] == 4
    assert metrics["accuracy"] == 0.75
    assert metrics["confusion"] == [[1, 0, 0], [0, 1, 0], [1, 0, 1]]
    assert metrics["per_class"]["EASY"] == {"precision": 0.5, "recall": 1, "f1": 2 / 3, "support": 1, "predicted": 2}
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    assert metrics["coverage"] == 0.75
    assert metrics["covered_accuracy"] == pytest.approx(2 / 3)
    assert metrics["calibration_error"] == pytest.approx((0.8 + 0.5 + 0.3) / 4)
    assert metrics["calibration"] == [
        {"said": pytest.approx(said), "true": true, "rows": rows}
        for said, true, rows in ((0.5, 1, 1), (0.7, 1, 1), (0.9, 0.5, 2))
    ]


def test_no_rows_have_no_figures() -> None:
    metrics = _score().metrics
    assert metrics["rows"] == 0
    assert [metrics[name] for name in ("accuracy", "macro_f1", "coverage", "calibration_error", "log_loss")] == [
        None
    ] * 5
    assert metrics["confusion"] == [[0] * 3] * 3


def test_many_rows_are_scored_in_order() -> None:
    rows: list[tuple[str, Label]] = [("EASY 0.9", "EASY" if n % 3 else "HARD") for n in range(1300)]
    assert _score(*rows).per_row == [float(n % 3 > 0) for n in range(1300)]


def test_a_worse_candidate_is_refused_in_the_window_where_it_is_worse() -> None:
    good, bad = [1.0] * 200, [1.0] * 120 + [0.0] * 80
    verdicts = PIPELINE.gates(
        [
            Comparison(
                window="all", candidate=Scores(per_row=good, metrics={}), active=Scores(per_row=good, metrics={})
            ),
            Comparison(
                window="recent", candidate=Scores(per_row=bad, metrics={}), active=Scores(per_row=good, metrics={})
            ),
        ]
    )
    assert [(v.window, v.outcome) for v in verdicts] == [("all", Outcome.PASS), ("recent", Outcome.FAIL)]


def test_the_policy_has_the_values_of_the_seed() -> None:
    rules = policy()
    assert (rules.confidence_threshold, rules.min_samples, rules.test_size) == (0.6, 50, 0.2)
    assert (rules.random_state, rules.recent_days) == (42, 30)
    assert PIPELINE.min_samples == 50
    assert (PIPELINE.split.test_share, PIPELINE.split.seed) == (0.2, 42)
    assert [window and window.days for window in PIPELINE.windows.values()] == [None, 30]
    assert get_args(Label) == LABELS
