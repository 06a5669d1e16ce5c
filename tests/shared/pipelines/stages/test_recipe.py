import itertools
from collections import Counter
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts import Outcome
from shared.pipelines.stages.contracts import STAGES
from shared.pipelines.stages.diversity import ACTIONS_IN, DiversityRow, gates, measure
from shared.pipelines.stages.policy import DiversityPolicy, LivePolicy
from shared.pipelines.stages.recipe import Recipe, Way, recipe
from shared.pipelines.stages.versions import SYNTHESIS, Stage
from tests.shared.pipelines.stages.test_diversity import LIVE, RULES, rows_of

SHARES = st.one_of(st.floats(0.02, 1.0), st.sampled_from((0.05, 0.1, 0.2, 0.35, 0.5, 0.6, 0.8, 1.0)))
POLICIES: Final = st.builds(
    DiversityPolicy,
    min_total_rows=st.integers(1, 60),
    min_industries=st.integers(1, 8),
    max_industry_share=SHARES,
    max_duplicate_actions_share=SHARES,
    max_same_primary_constraint_prefix_share=SHARES,
)
LIVES: Final = st.none() | st.builds(LivePolicy, min_rows=st.integers(1, 60), max_homogeneity_share=SHARES)
SOME_INDUSTRIES = ("bakery", "dental", "fencing", "plumbing", "roofing", "tailoring")


@st.composite
def some_rows(draw: st.DrawFn, stage: Stage) -> list[DiversityRow]:
    """Rows that repeat themselves a lot: few industries, few texts."""
    words = st.sampled_from(("Call them.", "call them", "Hire a clerk", "Raise the price", "Stop the trial", "Wait"))
    constraints = st.sampled_from(("Cash is short and late again", "Cash is short and late now", "Nobody sells", "Two"))
    fewest = 0 if stage == "competitive_lens" else 1
    actions = st.lists(words, min_size=fewest, max_size=4).map(tuple) if stage in ACTIONS_IN else st.just(())
    industry = st.sampled_from(("bakery", "bakery", "bakery", "dental", "plumbing", None))
    constraint = constraints if stage == SYNTHESIS else st.none()
    count = draw(st.sampled_from((0, 1, 2, 5, 20, 70)))
    parts = draw(st.lists(st.tuples(industry, actions, constraint), min_size=min(count, 1), max_size=max(count, 1)))
    repeated = (parts * (count // len(parts) + 1))[:count] if parts else []
    return [DiversityRow(f"row-{n:03}", *part) for n, part in enumerate(repeated)]


def followed(stage: Stage, rows: list[DiversityRow], way: Way) -> list[DiversityRow]:
    """The rows after a person has done exactly what a way says, and nothing else."""
    numbers = itertools.count()
    rework = {each.id: each for each in way.rework}
    known = {row.id for row in rows}
    assert known >= rework.keys() | set(way.drop)
    done = []
    for row in rows:
        if row.id in way.drop:
            continue
        if each := rework.get(row.id):
            assert row.industry is not None
            assert each.actions or each.constraint
            actions = [
                f"mine {next(numbers)}" if place in each.actions else old for place, old in enumerate(row.actions, 1)
            ]
            assert set(each.actions) <= set(range(1, len(actions) + 1))
            constraint = f"{next(numbers)} mine" if each.constraint else row.constraint
            row = DiversityRow(row.id, row.industry, tuple(actions), constraint)  # noqa: PLW2901
        done.append(row)
    for approval in way.approvals:
        industry = approval.industry or f"another-{next(numbers)}"
        assert approval.new == all(row.industry != industry for row in rows)
        for _ in range(approval.rows):
            number = next(numbers)
            actions = [f"mine {number}"] if stage in ACTIONS_IN else []
            constraint = f"{number} mine" if stage == SYNTHESIS else None
            done.append(DiversityRow(f"new-{number}", industry, tuple(actions), constraint))
    return done


def passes(stage: Stage, rows: list[DiversityRow], rules: DiversityPolicy, live: LivePolicy | None) -> bool:
    return all(verdict.outcome is Outcome.PASS for verdict in gates(measure(stage, rows), rules, live))


@pytest.mark.parametrize("stage", STAGES)
def test_a_recipe_followed_exactly_makes_every_gate_pass(stage: Stage) -> None:
    @settings(max_examples=150, deadline=None)
    @given(some_rows(stage), POLICIES, LIVES, st.lists(st.sampled_from(SOME_INDUSTRIES), unique=True))
    def check(rows: list[DiversityRow], rules: DiversityPolicy, live: LivePolicy | None, industries: list[str]) -> None:
        found = recipe(stage, lambda: rows, rules, live, industries)
        assert found.passes == passes(stage, rows, rules, live)
        assert found.passes == (not found.ways)
        for way in found.ways:
            assert passes(stage, followed(stage, rows, way), rules, live)
            assert way.sentence
            assert way.sentence in found.sentence

    check()


@settings(deadline=None)
@given(some_rows(SYNTHESIS), POLICIES, st.data())
def test_a_recipe_asks_for_nothing_too_much(
    rows: list[DiversityRow], rules: DiversityPolicy, data: st.DataObject
) -> None:
    for way in recipe(SYNTHESIS, lambda: rows, rules).ways:
        if lesser := fewer(way):
            less = data.draw(st.sampled_from(lesser))
            assert not passes(SYNTHESIS, followed(SYNTHESIS, rows, less), rules, None)


def fewer(way: Way) -> list[Way]:
    """The ways that lack one approval each, or one thing to reword."""
    without = []
    for place, approval in enumerate(way.approvals):
        rest = [approval.model_copy(update={"rows": approval.rows - 1})] if approval.rows > 1 else []
        approvals = (*way.approvals[:place], *rest, *way.approvals[place + 1 :])
        without.append(way.model_copy(update={"approvals": approvals}))
    for place, rework in enumerate(way.rework):
        if rework.actions:
            one = rework.model_copy(update={"actions": rework.actions[1:]})
        else:
            one = rework.model_copy(update={"constraint": False})
        rest_of = [one] if one.actions or one.constraint else []
        reworks = (*way.rework[:place], *rest_of, *way.rework[place + 1 :])
        without.append(way.model_copy(update={"rework": reworks}))
    return without


def asked(rows: list[DiversityRow], *, live: bool = False, industries: tuple[str, ...] = ()) -> Recipe:
    return recipe(SYNTHESIS, lambda: rows, RULES, LIVE if live else None, industries)


def test_rows_that_pass_need_nothing() -> None:
    found = asked(rows_of(10, 10, 10, 10), live=True)
    assert (found.passes, found.ways) == (True, ())


def test_missing_rows_come_from_the_smallest_industries_and_from_new_ones() -> None:
    (way,) = asked(rows_of(20, 5, 2), industries=("plumbing", "tailoring")).ways
    assert {each.industry: (each.rows, each.new) for each in way.approvals} == {
        "tailoring": (7, True), "roofing": (5, False), "bakery": (1, False),
    }  # fmt: skip
    assert way.sentence == (
        "Approve 13 more rows: 7 of tailoring, 5 of roofing, 1 of bakery, in words that no other row has."
    )


def test_without_names_a_new_industry_is_any() -> None:
    (way,) = asked(rows_of(20, 10, 10)).ways
    assert [(each.industry, each.rows, each.new) for each in way.approvals] == [(None, 1, True)]
    assert "1 of an industry that no row is of yet" in way.sentence


def test_a_too_large_industry_is_outweighed_or_cut() -> None:
    rows = rows_of(70, 10, 10, 10)
    more, fewer_rows = asked(rows).ways
    assert (sum(each.rows for each in more.approvals), more.drop) == (17, ())  # 70 of 117
    assert Counter(row.industry for row in rows if row.id in fewer_rows.drop) == {"plumbing": 25}  # 45 of 75
    assert fewer_rows.sentence == "Drop 25 rows: 25 of plumbing."
    assert fewer_rows.approvals == ()


def test_a_live_run_asks_for_as_many_rows_as_it_is_told() -> None:
    live = LivePolicy(min_rows=50)
    (way,) = recipe(SYNTHESIS, lambda: rows_of(10, 10, 10, 10), RULES, live).ways
    assert sum(each.rows for each in way.approvals) == 10


def test_repeated_words_are_reworded_and_dropped_first() -> None:
    def same(n: int) -> str:
        return "Do it" if n < 50 else f"do {n}"

    (way,) = asked(rows_of(25, 25, 25, 25, action=same, constraint=same)).ways
    assert way.sentence == "Reword 15 actions and 15 primary constraints in 15 rows."
    rows = rows_of(70, 10, 10, 10, action=lambda n: "Do it" if 40 <= n < 65 else f"do {n}")
    rules = DiversityPolicy(max_duplicate_actions_share=0.2)
    dropping = recipe(SYNTHESIS, lambda: rows, rules).ways[1]
    assert set(dropping.drop) == {f"row-{n}" for n in range(40, 65)}
    assert dropping.rework == ()


def test_rows_without_an_industry_are_named_as_a_way_out() -> None:
    found = asked([*rows_of(10, 10, 10, 9), DiversityRow("row-x", None, (), None)])
    assert found.sentence.endswith("1 row without an industry would count with one.")


def test_a_threshold_that_no_rows_can_keep_is_said_so() -> None:
    found = recipe(SYNTHESIS, lambda: rows_of(10, 10), DiversityPolicy(max_industry_share=0.0))
    assert (found.passes, found.ways) == (False, ())
    assert found.sentence == (
        "No rows could pass: the largest share of an industry lets through less than 0.1%. Raise it in the policy."
    )


def test_the_order_of_rows_decides_what_is_reworded_but_not_how_much() -> None:
    rows = rows_of(25, 25, 25, 25, action=lambda n: "Do it" if n < 50 else f"do {n}")
    one, other = asked(rows).ways[0], asked(rows[::-1]).ways[0]
    assert one.sentence == other.sentence
