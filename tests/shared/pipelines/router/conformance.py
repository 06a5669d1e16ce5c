"""The router's examples for the conformance suite."""

from shared.pipeline import Scores
from tests.support.conformance import Case


def _scores(right: int, rows: int) -> Scores:
    return Scores(per_row=[1.0] * right + [0.0] * (rows - right), metrics={"rows": rows})


CASE = Case(
    good_inputs=("What is 2 + 2?", "Prove it.", "ünïcödé ✓"),
    bad_inputs=("", 12, None, ["canary"], {"question": "canary"}, "canary\x00", "canary" * 2000),
    reviews={"labels": ("pred", {"label": "EASY"}), "disagreements": ("pred", {"label": "EASY"})},
    scores=_scores,
)
