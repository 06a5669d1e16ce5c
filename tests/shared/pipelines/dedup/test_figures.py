"""Figures of evaluations, gates, thresholds and pseudonyms: pure functions, against plain definitions."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import Outcome
from shared.llm.pseudonyms import pseudonymised
from shared.pipelines.dedup import charts
from shared.pipelines.dedup.auto import judge
from shared.pipelines.dedup.fallback import fallback
from shared.pipelines.dedup.figures import Judged, at, auc, basics, best_accuracy, calibration, curve, wilson
from shared.pipelines.dedup.pair import pair_of
from shared.pipelines.dedup.policy import policy
from shared.pipelines.dedup.prompt import question
from shared.pipelines.dedup.sample import decide, insights
from shared.pipelines.dedup.thresholds import Thresholds

LEVEL = 0.95
judgements = st.lists(
    st.builds(Judged, st.booleans(), st.booleans(), st.sampled_from([0.0, 0.2, 0.5, 0.5, 0.8, 0.9, 1.0])), max_size=40
)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60).filter(str.strip)


@given(judgements)
def test_auc_is_the_share_of_pairs_in_order(judged: list[Judged]) -> None:
    merges = [each.probability for each in judged if each.truth]
    apart = [each.probability for each in judged if not each.truth]
    wins = [1.0 if m > a else 0.5 if m == a else 0.0 for m in merges for a in apart]
    assert auc(judged) == (pytest.approx(sum(wins) / len(wins), abs=1e-4) if wins else None)


@given(judgements)
def test_the_best_threshold_is_the_best_of_all(judged: list[Judged]) -> None:
    def right(threshold: float) -> int:
        return sum((each.probability >= threshold) == each.truth for each in judged)

    best = max(right(threshold) for threshold in (0.0, 0.2, 0.5, 0.8, 0.9, 1.0, 2.0))
    assert best_accuracy(judged) == (round(best / len(judged), 4) if judged else None)


def test_basics_of_a_small_table() -> None:
    judged = [
        Judged(*each) for each in ((True, True, 0.9), (True, False, 0.4), (False, True, 0.6), (False, False, 0.1))
    ]
    assert basics(judged) == {"accuracy": 0.5, "precision": 0.5, "recall": 0.5, "f1": 0.5, "auc": 0.75}
    assert basics([]) == dict.fromkeys(("accuracy", "precision", "recall", "f1", "auc"))


def test_wilson_is_the_published_interval() -> None:
    low, high = wilson(81, 263, LEVEL)  # Newcombe 1998, table I
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 0, LEVEL) == (0.0, 1.0)
    assert wilson(10, 10, LEVEL)[0] == pytest.approx(0.7225, abs=1e-4)


@given(judgements)
def test_the_curve_loses_merges_as_the_threshold_rises(judged: list[Judged]) -> None:
    points = curve(judged, LEVEL)
    assert len(points) == 51
    assert [p["merges"] for p in points] == sorted((p["merges"] for p in points), reverse=True)
    assert at(points, 0.9) == points[40]
    assert at(points, 0.3) is None


def test_a_calibrated_model_has_no_error_and_a_boaster_has() -> None:
    fair = [Judged(truth=place < 8, answer=True, probability=0.8) for place in range(10)]
    assert calibration(fair)["ece"] == pytest.approx(0.0, abs=1e-9)
    boaster = [Judged(truth=place < 5, answer=True, probability=1.0) for place in range(10)]
    assert calibration(boaster) == {"ece": 0.5, "bins": [{"from": 0.9, "pairs": 10, "said": 1.0, "true": 0.5}]}


def test_charts_are_whole_svg_whatever_the_figures() -> None:
    judged = [Judged(truth=n % 3 > 0, answer=n > 2, probability=n / 10) for n in range(11)]
    for chart in (
        charts.precision_recall(curve(judged, LEVEL)),
        charts.precision_recall([]),
        charts.calibration(calibration(judged)),
        charts.calibration({}),
    ):
        assert ET.fromstring(chart).tag.endswith("svg")  # noqa: S314  (our own)


# --- auto -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "wrong", "outcome"),
    [(100, 0, Outcome.PASS), (90, 10, Outcome.FAIL), (10, 0, Outcome.FAIL), (0, 0, Outcome.INSUFFICIENT)],
)
def test_auto_wants_precision_that_is_sure(right: int, wrong: int, outcome: Outcome) -> None:
    merged = [Judged(truth=place < right, answer=True, probability=0.95) for place in range(right + wrong)]
    judged = [*merged, *[Judged(truth=False, answer=False, probability=0.1)] * 5]
    verdict = judge({"rows": len(judged), "curve": curve(judged, LEVEL)}, 0.9)
    assert verdict.outcome is outcome
    assert verdict.sentence.endswith(".")


def test_without_a_curve_auto_is_refused() -> None:
    assert judge({}, 0.9).outcome is Outcome.INSUFFICIENT


# --- what a similarity is worth, and what follows -------------------------------------------------------------------


@given(texts, texts, st.floats(-1, 1))
def test_a_similarity_alone_never_merges(a: str, b: str, similarity: float) -> None:
    answer = fallback(pair_of(a, b, similarity))
    assert answer.confidence < policy().thresholds.auto_merge
    assert answer == fallback(pair_of(b, a, similarity))
    limits = Thresholds(auto_merge=0.5, propose=0.5)
    course = limits.course(should_merge=True, confidence=answer.confidence, by_model=False)
    assert course in {"propose", "new"}


@given(texts, texts)
def test_the_question_is_the_same_whichever_comes_first(a: str, b: str) -> None:
    assert question(a, b) == question(b, a)


# --- pseudonyms -----------------------------------------------------------------------------------------------------


def test_personal_data_is_replaced_and_stays_the_same_in_both() -> None:
    one, two = pseudonymised(
        "Mrs. Ada Lovelace (ada@mail.example, +44 20 7946 0958) lives at 12 Larch Lane since 2021-04-05.",
        "Write to ADA@mail.example or call 442079460958; see https://a.example/x?u=1. 1 000 000 people did.",
    )
    assert one == "[person 1] ([email 1], [number 1]) lives at [address 1] since 2021-04-05."
    assert two == "Write to [email 1] or call [number 1]; see [url 1] 1 000 000 people did."
    assert pseudonymised(
        "Wilhelmina Quackenbush pays.", "The bill of Wilhelmina Quackenbush, Zoë Ångström's friend"
    ) == (
        "[name 1] pays.",
        "The bill of [name 1], [name 2] friend",
    )
    assert pseudonymised("When Teams ship faster, We Win.")[0].startswith("When Teams ship faster")
    canary = "ada@mail.example"
    assert canary not in str(question(f"{canary} pays late", f"late payment of {canary}"))


@given(st.text(max_size=300))
def test_pseudonyms_are_deterministic_and_leave_no_address(text: str) -> None:
    (once,) = pseudonymised(text + " ada@mail.example")
    assert pseudonymised(text + " ada@mail.example") == (once,)
    assert "ada@mail" not in once


# --- the sample -----------------------------------------------------------------------------------------------------


def test_the_sample_is_the_same_for_a_seed_and_has_near_misses() -> None:
    found = insights(40, seed=3)
    assert found == insights(40, seed=3)
    assert found != insights(40, seed=4)
    families = {each.family for each in found}
    assert len(families) == 40
    assert len({each.thing for each in found}) == 80
    assert len({each.statement for each in found}) == len(found) == 320


def test_the_expert_decides_by_what_is_known() -> None:
    assert decide({"ins_1": "x", "ins_2": "x"}).decision == "approve"
    assert decide({"ins_1": "x", "ins_2": "y"}).decision == "reject"
    ids = [f"ins_{n:032x}" for n in range(3)]
    partial = decide(dict(zip(ids, "xxy", strict=True)))
    assert (partial.decision, partial.subset) == ("partial", tuple(ids[:2]))
