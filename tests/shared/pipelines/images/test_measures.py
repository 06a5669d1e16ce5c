"""Figures, intervals and charts of an evaluation."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from shared.contracts import Outcome
from shared.pipeline import Comparison, Scores
from shared.pipelines.images.charts import Bar, Line, bars, lines
from shared.pipelines.images.gates import parity
from shared.pipelines.images.intervals import interval
from shared.pipelines.images.measures import auc, f1, r_squared, spearman
from shared.pipelines.images.model_policy import model_policy
from shared.pipelines.images.score import FIGURES, Judgements, calibration

scored = st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=1, max_size=40)


@given(scored)
def test_auc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[int, bool]]) -> None:
    scores, good = np.asarray([s / 10 for s, _ in rows]), np.asarray([g for _, g in rows])
    pairs = [(a > b) + (a == b) / 2 for a in scores[good] for b in scores[~good]]
    found = auc(scores, good)
    assert found == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)


@given(scored)
def test_f1_is_of_precision_and_recall(rows: list[tuple[int, bool]]) -> None:
    said, good = np.asarray([s > 5 for s, _ in rows]), np.asarray([g for _, g in rows])
    hits = int((said & good).sum())
    if hits:
        precision, recall = hits / said.sum(), hits / good.sum()
        assert f1(said, good) == pytest.approx(2 * precision * recall / (precision + recall))
    else:
        assert not f1(said, good)


def test_correlation_and_explained_variance() -> None:
    rng = np.random.default_rng(1)
    one = rng.normal(size=50)
    other = one + rng.normal(size=50)
    assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert spearman(one, np.ones(50)) is None
    assert r_squared(one, one) == 1
    assert r_squared(np.full(50, one.mean()), one) == pytest.approx(0)
    assert r_squared(one, np.ones(50)) is None


def judgements(per_webcam: int) -> Judgements:
    rng = np.random.default_rng(3)
    shades = np.repeat(rng.uniform(0, 1, 120 // per_webcam), per_webcam)  # a camera errs in its own way
    return Judgements(
        surface="regression", scores=shades, targets=np.full(120, 0.5),
        webcams=np.repeat([f"cam{n}" for n in range(120 // per_webcam)], per_webcam),
    )  # fmt: skip


def test_intervals_know_that_frames_of_a_camera_are_alike() -> None:
    rules = model_policy().evaluation
    apart, alike = (judgements(each) for each in (1, 20))
    figure = FIGURES["regression"]["mae"]
    narrow, wide = interval(apart, figure, rules), interval(alike, figure, rules)
    assert narrow is not None
    assert wide is not None
    assert narrow[0] <= (figure(apart) or 0) <= narrow[1]
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])
    assert interval(judgements(120), figure, rules) is None, "one camera tells nothing of the others"


def test_calibration_counts_every_row_once() -> None:
    found = Judgements(
        surface="binary", scores=np.asarray([0.0, 0.05, 0.95, 1.0]), targets=np.asarray([0.0, 1.0, 1.0, 1.0]),
        webcams=np.asarray(["a", "b", "c", "d"]),
    )  # fmt: skip
    bins = calibration(found)
    assert [(each["low"], each["rows"], each["share_good"]) for each in bins] == [(0.0, 2, 0.5), (0.9, 2, 1.0)]
    assert FIGURES["binary"]["calibration_error"](found) == pytest.approx((0.95 + 0.05) / 4)


@pytest.mark.parametrize(
    ("gap", "outcome"), [(0.0, Outcome.PASS), (1e-2, Outcome.FAIL), (float("nan"), Outcome.FAIL), (None, "none")]
)
def test_parity_is_a_gate(gap: float | None, outcome: Outcome | str) -> None:
    metrics = {} if gap is None else {"parity": {"rows": 9, "greatest_gap": gap, "mean_gap": gap}}
    verdict = parity(Comparison(window="all", candidate=Scores(per_row=[1.0], metrics=metrics), active=None))
    assert verdict.outcome == (Outcome.INSUFFICIENT if outcome == "none" else outcome)


def test_charts_are_well_formed_whatever_their_words_say() -> None:
    evil = "<script>&'\""
    for chart in (
        lines(evil, evil, evil, [Line(evil, [(0, 1), (1, 2)])]),
        lines(evil, evil, evil, [Line(evil, [(1, 1)]), Line(evil, [(1, 1), (5, 5)])], dots=True),
        lines(evil, evil, evil, []),
        bars(evil, evil, evil, [Bar(evil, 0.5, 0.25, 0.75), Bar("b", -1.0)]),
        bars(evil, evil, evil, []),
    ):
        root = ET.fromstring(chart)  # noqa: S314  (our own)
        assert not [each for each in root.iter() if each.tag.endswith("script")]
        assert "style" not in chart
