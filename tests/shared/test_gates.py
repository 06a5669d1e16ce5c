"""The gates: what they answer, and how often they are wrong."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import Outcome, Verdict
from shared.errors import InvalidInputError
from shared.gates import GatePolicy, difference, improvement, no_regression
from shared.pipeline import Comparison, Scores

POLICY = GatePolicy(alpha=0.05, resamples=500, seed=42, min_rows=20)

Gate = Callable[[Comparison, GatePolicy], Verdict]

a_score = st.floats(min_value=-10, max_value=10, allow_nan=False)
paired_scores = st.lists(st.tuples(a_score, a_score), min_size=20, max_size=80)


def compare(candidate: Sequence[float], active: Sequence[float] | None, window: str = "all") -> Comparison:
    return Comparison(
        window=window,
        candidate=Scores(per_row=candidate, metrics={}),
        active=None if active is None else Scores(per_row=active, metrics={}),
    )


def test_first_model_is_no_regression_and_says_why() -> None:
    verdict = no_regression(compare([0.0, 1.0], None), POLICY)
    assert verdict.outcome is Outcome.PASS
    assert verdict.sentence == "No model is active, so there is nothing to compare the candidate with."
    assert verdict.figures == {"rows": 2, "candidate": 0.5, "active": None}
    assert improvement(compare([], None), POLICY).outcome is Outcome.PASS


@pytest.mark.parametrize("gate", [no_regression, improvement])
def test_too_few_rows_are_insufficient(gate: Gate) -> None:
    verdict = gate(compare([1.0] * 19, [0.0] * 19, "recent"), POLICY)
    assert verdict.outcome is Outcome.INSUFFICIENT
    assert verdict.window == "recent"
    assert verdict.sentence == "Only 19 held-out rows in window recent: at least 20 are needed to compare."


def test_plain_loss_is_refused_with_figures() -> None:
    verdict = no_regression(compare([1.0] * 60 + [0.0] * 40, [1.0] * 80 + [0.0] * 20), POLICY)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.sentence.startswith(
        "On 100 held-out rows of window all the candidate scores 0.6000 and the active model 0.8000, "
        "a difference of -0.2000 (-0."
    )
    assert verdict.sentence.endswith("): the candidate is worse.")
    assert verdict.figures["rows"] == 100
    assert verdict.figures["candidate"] == pytest.approx(0.6)
    assert verdict.figures["active"] == pytest.approx(0.8)
    assert verdict.figures["difference"] == pytest.approx(-0.2)
    low, high = verdict.figures["low"], verdict.figures["high"]
    assert low is not None
    assert high is not None
    assert -0.3 < low < -0.2 < high < 0


def test_loss_within_the_margin_passes() -> None:
    generous = POLICY.model_copy(update={"margin": 0.25})
    assert no_regression(compare([1.0] * 60 + [0.0] * 40, [1.0] * 80 + [0.0] * 20), generous).outcome is Outcome.PASS


def test_improvement_tells_better_from_worse_from_unknown() -> None:
    good, bad = [1.0] * 80 + [0.0] * 20, [1.0] * 60 + [0.0] * 40
    assert improvement(compare(good, bad), POLICY).outcome is Outcome.PASS
    assert improvement(compare(bad, good), POLICY).outcome is Outcome.FAIL
    hardly = [1.0] * 62 + [0.0] * 38
    assert improvement(compare(hardly, bad), POLICY).outcome is Outcome.INSUFFICIENT


def test_three_rows_against_the_candidate_prove_nothing() -> None:
    """No resample favours the candidate, and yet three coins fall alike one time in eight."""
    active = [1.0] * 200
    candidate = [0.0] * 3 + [1.0] * 197
    assert difference(candidate, active, POLICY).p_worse == pytest.approx(1 / 8, abs=0.05)
    assert no_regression(compare(candidate, active), POLICY).outcome is Outcome.PASS


def test_scores_of_other_rows_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="20 and 21 rows"):
        no_regression(compare([1.0] * 20, [1.0] * 21), POLICY)
    with pytest.raises(InvalidInputError, match="finite"):
        no_regression(compare([math.nan] * 20, [1.0] * 20), POLICY)


@given(st.lists(a_score, min_size=20, max_size=80))
def test_a_model_is_never_worse_nor_better_than_itself(scores: list[float]) -> None:
    assert no_regression(compare(scores, scores), POLICY).outcome is Outcome.PASS
    assert improvement(compare(scores, scores), POLICY).outcome is Outcome.FAIL


@given(paired_scores)
def test_verdict_is_deterministic_and_its_interval_holds_the_difference(pairs: list[tuple[float, float]]) -> None:
    candidate, active = [a for a, _ in pairs], [b for _, b in pairs]
    found = difference(candidate, active, POLICY)
    assert found == difference(candidate, active, POLICY)
    assert min(a - b for a, b in pairs) - 1e-9 <= found.low <= found.high <= max(a - b for a, b in pairs) + 1e-9
    assert found.p_worse + found.p_better >= 1 - 1e-9


@given(paired_scores, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(pairs: list[tuple[float, float]], random: Random) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)
    first = no_regression(compare([a for a, _ in pairs], [b for _, b in pairs]), POLICY)
    second = no_regression(compare([a for a, _ in shuffled], [b for _, b in shuffled]), POLICY)
    assert first.outcome == second.outcome
    assert first.sentence == second.sentence


@given(paired_scores)
def test_a_candidate_is_never_both_worse_and_better(pairs: list[tuple[float, float]]) -> None:
    comparison = compare([a for a, _ in pairs], [b for _, b in pairs])
    if no_regression(comparison, POLICY).outcome is Outcome.FAIL:
        assert improvement(comparison, POLICY).outcome is Outcome.FAIL


@pytest.mark.parametrize("rows", [20, 60, 300])
@pytest.mark.parametrize("disagreement", [0.03, 0.2, 0.6])
def test_equally_good_models_are_refused_no_more_often_than_alpha(rows: int, disagreement: float) -> None:
    """Two models that are right equally often but disagree on some rows, a thousand times over."""
    trials, policy = 1000, POLICY.model_copy(update={"resamples": 400})
    rng = np.random.default_rng(20260101)
    refused = promoted = 0
    for _ in range(trials):
        gains = rng.choice([-1.0, 0.0, 1.0], size=rows, p=[disagreement / 2, 1 - disagreement, disagreement / 2])
        comparison = compare(gains.tolist(), [0.0] * rows)
        refused += no_regression(comparison, policy).outcome is Outcome.FAIL
        promoted += improvement(comparison, policy).outcome is Outcome.PASS
    allowed = policy.alpha + 3 * math.sqrt(policy.alpha * (1 - policy.alpha) / trials)
    assert refused / trials <= allowed
    assert promoted / trials <= allowed


def test_real_loss_is_found() -> None:
    """The guard against false alarms must not make the gate blind: 8 points lost on 400 rows are seen."""
    rng = np.random.default_rng(7)
    found = sum(
        no_regression(compare(rng.binomial(1, 0.70, 400).tolist(), rng.binomial(1, 0.78, 400).tolist()), POLICY).outcome
        is Outcome.FAIL
        for _ in range(200)
    )
    assert found / 200 > 0.7


def test_a_hundred_rows_of_one_group_are_one_witness() -> None:
    """Two groups stand against the candidate: as rows they are a hundred, as witnesses two coins."""
    groups = ["a"] * 50 + ["b"] * 50 + ["c"] * 50
    worse = Scores(per_row=[0.0] * 100 + [1.0] * 50, metrics={}, groups=groups)
    better = Scores(per_row=[1.0] * 150, metrics={}, groups=groups)
    alone = [replace(scores, groups=()) for scores in (worse, better)]
    assert no_regression(Comparison(window="all", candidate=alone[0], active=alone[1]), POLICY).outcome is Outcome.FAIL
    assert no_regression(Comparison(window="all", candidate=worse, active=better), POLICY).outcome is Outcome.PASS
    many = [f"g{number // 5}" for number in range(150)]
    apart = [replace(scores, groups=many) for scores in (worse, better)]
    assert no_regression(Comparison(window="all", candidate=apart[0], active=apart[1]), POLICY).outcome is Outcome.FAIL


def test_the_order_of_rows_and_the_names_of_groups_decide_nothing() -> None:
    first, second = [0.1, 0.7, 0.4, 0.9, 0.3], [0.2, 0.5, 0.5, 0.1, 0.3]
    found = difference(first, second, POLICY, ["a", "a", "b", "c", "c"])
    order = [3, 0, 4, 2, 1]
    turned = difference(
        [first[n] for n in order], [second[n] for n in order], POLICY, [["z", "z", "y", "x", "x"][n] for n in order]
    )
    assert turned == found
    assert found.low <= found.mean <= found.high
