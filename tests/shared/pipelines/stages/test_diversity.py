import json
import re
from collections.abc import Callable, Iterable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import JsonObject, Outcome, Verdict
from shared.pipelines.stages.contracts import STAGES, actions_of, parse_output, primary_constraint_of
from shared.pipelines.stages.contracts_outputs import StageOutput
from shared.pipelines.stages.diversity import (
    ACTIONS_IN,
    Diversity,
    DiversityRow,
    Texts,
    dataset_rows,
    diversity_row,
    gates,
    measure,
    normalised,
    prefix,
)
from shared.pipelines.stages.policy import DiversityPolicy, LivePolicy, policy
from shared.pipelines.stages.versions import Stage
from tests.shared.pipelines.stages import strategies

SYNTHESIS: Final[Stage] = "synthesis_decision"
RULES = DiversityPolicy()
LIVE = LivePolicy()
INDUSTRIES = ("plumbing", "bakery", "roofing", "dental", "fencing")


def rows_of(
    *counts: int, action: Callable[[int], str] = "do {}".format, constraint: Callable[[int], str] = "it is {}".format
) -> list[DiversityRow]:
    """Rows of the first industries, so many of each, in words of their own unless told otherwise."""
    industries = [name for name, count in zip(INDUSTRIES, counts, strict=False) for _ in range(count)]
    return [DiversityRow(f"row-{n}", industry, (action(n),), constraint(n)) for n, industry in enumerate(industries)]


def verdict(gate: str, rows: Iterable[DiversityRow], *, live: bool = False, stage: Stage = SYNTHESIS) -> Verdict:
    verdicts = gates(measure(stage, rows), RULES, LIVE if live else None)
    (found,) = (each for each in verdicts if each.gate == gate)
    return found


def test_the_gates_are_the_seeds_five_with_the_issues_figures_and_two_more_for_live_runs() -> None:
    five = ["min_total_rows", "min_industries", "max_industry_share", "max_duplicate_actions_share"]
    five.append("max_same_primary_constraint_prefix_share")
    found = measure(SYNTHESIS, rows_of(10, 10, 10, 10))
    assert [each.gate for each in gates(found, RULES)] == five
    assert [each.gate for each in gates(found, RULES, LIVE)] == [*five, "live_min_rows", "max_homogeneity_share"]
    assert all(each.outcome is Outcome.PASS for each in gates(found, RULES, LIVE))
    assert (policy().training_diversity, policy().live) == (RULES, LIVE)
    assert RULES.model_dump() == dict(zip(five, (40, 4, 0.60, 0.35, 0.35), strict=True))
    assert LIVE.model_dump() == {"min_rows": 40, "max_homogeneity_share": 0.8}


@pytest.mark.parametrize("gate", ["min_total_rows", "live_min_rows"])
@pytest.mark.parametrize(
    ("last", "outcome"), [(9, Outcome.INSUFFICIENT), (10, Outcome.PASS), (11, Outcome.PASS), (-1, Outcome.INSUFFICIENT)]
)
def test_too_few_rows_are_insufficient(gate: str, last: int, outcome: Outcome) -> None:
    rows = rows_of(10, 10, 10, last) if last >= 0 else []
    assert verdict(gate, rows, live=True).outcome is outcome


@pytest.mark.parametrize(
    ("counts", "outcome"),
    [
        ((14, 13, 13), Outcome.FAIL),
        ((10, 10, 10, 10), Outcome.PASS),
        ((8, 8, 8, 8, 8), Outcome.PASS),
        ((), Outcome.FAIL),
    ],
)
def test_rows_must_be_of_four_industries(counts: tuple[int, ...], outcome: Outcome) -> None:
    assert verdict("min_industries", rows_of(*counts)).outcome is outcome


@pytest.mark.parametrize(
    ("gate", "largest", "outcome"),
    [
        ("max_industry_share", 59, Outcome.PASS),
        ("max_industry_share", 60, Outcome.PASS),
        ("max_industry_share", 61, Outcome.FAIL),
        ("max_homogeneity_share", 79, Outcome.PASS),
        ("max_homogeneity_share", 80, Outcome.PASS),
        ("max_homogeneity_share", 81, Outcome.FAIL),
    ],
)
def test_the_largest_industry_may_have_so_many_of_a_hundred_rows(gate: str, largest: int, outcome: Outcome) -> None:
    found = verdict(gate, rows_of(largest, 100 - largest), live=True)
    assert found.outcome is outcome
    assert found.figures["count"] == largest


@pytest.mark.parametrize(("same", "outcome"), [(34, Outcome.PASS), (35, Outcome.PASS), (36, Outcome.FAIL)])
def test_one_action_may_be_so_many_of_a_hundred(same: int, outcome: Outcome) -> None:
    rows = rows_of(25, 25, 25, 25, action=lambda n: "Call  them, today!" if n < same else f"call {n}")
    assert verdict("max_duplicate_actions_share", rows).outcome is outcome


@pytest.mark.parametrize(("same", "outcome"), [(34, Outcome.PASS), (35, Outcome.PASS), (36, Outcome.FAIL)])
def test_so_many_of_a_hundred_constraints_may_begin_alike(same: int, outcome: Outcome) -> None:
    said = "The owner does all quotes {}".format
    rows = rows_of(25, 25, 25, 25, constraint=lambda n: said(n) if n < same else f"{n} late invoices wait too long")
    found = verdict("max_same_primary_constraint_prefix_share", rows)
    assert found.outcome is outcome
    assert "quotes" not in found.sentence  # a verdict tells figures, never what rows say


def test_an_action_counts_among_all_actions_and_not_once_a_row() -> None:
    rows = [DiversityRow(f"row-{n}", "bakery", ("same", f"a {n}", f"b {n}"), "x") for n in range(10)]
    found = measure(SYNTHESIS, rows)
    assert found.duplicate_actions_share == pytest.approx(1 / 3)
    assert found.same_prefix_share == 1.0


def test_rows_without_an_industry_count_in_nothing_but_their_own_figure() -> None:
    rows = rows_of(10, 10, 10, 9)
    untagged = [DiversityRow(f"none-{n}", None, ("same",), "same") for n in range(50)]
    found = measure(SYNTHESIS, [*untagged, *rows])
    assert found.figures() | {"excluded_without_industry": 0} == measure(SYNTHESIS, rows).figures()
    assert found.excluded == 50
    assert "50 more have no industry" in gates(found, RULES)[0].sentence


def test_stages_without_actions_and_constraints_pass_what_asks_for_them() -> None:
    rows = [DiversityRow(f"row-{n}", INDUSTRIES[n % 4], (), None) for n in range(40)]
    found = measure("quant_signals", rows)
    assert (found.duplicate_actions_share, found.same_prefix_share) == (None, None)
    assert all(each.outcome is Outcome.PASS for each in gates(found, RULES, LIVE))


def test_no_rows_pass_no_gate_that_asks_for_rows() -> None:
    found = gates(measure(SYNTHESIS, []), RULES, LIVE)
    asked = {each.gate: each.outcome for each in found}
    assert {gate for gate, outcome in asked.items() if outcome is Outcome.PASS} == {
        "max_duplicate_actions_share", "max_same_primary_constraint_prefix_share"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Call them.", "call   THEM"),
        ("Call—them!", "call them"),
        ("Straße fegen", "STRASSE FEGEN"),
        ("\uff43\uff41\uff4c\uff4c them", "call them"),
        ("Café first", "Cafe\u0301 first"),
    ],
)
def test_case_marks_and_width_make_no_other_action(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


def test_words_and_numbers_do() -> None:
    assert len({normalised(text) for text in ("call 3 clients", "call 4 clients", "call clients", "!!", "??")}) == 5
    assert (
        prefix("One two, three four FIVE six") == prefix("one two three four five seven") == "one two three four five"
    )
    assert prefix("Too short") == "too short"


@given(st.text(st.characters(codec="ascii"), max_size=60))
def test_plain_texts_are_read_as_all_others(text: str) -> None:
    assert normalised(text) == (" ".join(re.findall(r"\w+", text.lower())) or text)


@given(st.lists(st.sampled_from("abcdefgh"), max_size=60), st.integers(0, 20))
def test_texts_are_counted_exactly(texts: list[str], most: int) -> None:
    counted = Texts()
    for text in texts:
        counted.add(text)
    assert counted.total() == len(texts)
    assert counted.most() == max((texts.count(text) for text in texts), default=0)
    above = {hash(text): texts.count(text) - most for text in texts if texts.count(text) > most}
    assert counted.above(most) == above


@pytest.mark.parametrize("stage", STAGES)
def test_a_row_is_read_as_the_contracts_read_it(stage: Stage) -> None:
    @given(strategies.rows(stage))
    def check(raw: tuple[JsonObject, JsonObject]) -> None:
        output: StageOutput = parse_output(stage, raw[1])
        row = diversity_row(stage, "row", "bakery", raw[1])
        assert row == DiversityRow("row", "bakery", actions_of(output), primary_constraint_of(output))
        assert not row.actions or stage in ACTIONS_IN
        fields = {"id": "row", "industry": "bakery", "output": raw[1]}
        lines = [json.dumps(fields | {"approved": approved}).encode() for approved in (False, True)]
        assert list(dataset_rows(stage, lines)) == [row]

    check()


@given(st.permutations(rows_of(5, 3, 1, action="do {0}".format, constraint=lambda n: f"{n % 3} a b c d")))
def test_the_order_of_rows_decides_nothing(rows: list[DiversityRow]) -> None:
    def told(found: Diversity) -> tuple[JsonObject, tuple[Verdict, ...]]:
        return found.figures(), gates(found, RULES, LIVE)

    assert told(measure(SYNTHESIS, rows)) == told(measure(SYNTHESIS, sorted(rows)))
