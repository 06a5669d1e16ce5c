"""The made-up businesses and the person who answers for them: many kinds, always the same, and fit for approval."""

import re
from collections import Counter
from typing import get_args

import pytest

from shared.pipelines.stages import contracts
from shared.pipelines.stages.contracts import STAGES, Stage
from shared.pipelines.stages.contracts_parts import Area, Season
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.policy import policy
from shared.pipelines.stages.sample import INDUSTRIES, SampleRow, businesses, run_through, sample_rows

ROWS = list(sample_rows(60, seed=7))


def of(stage: Stage) -> list[SampleRow]:
    return [row for row in ROWS if row.stage == stage]


def test_the_same_seed_makes_up_the_same_businesses() -> None:
    assert list(businesses(20, seed=5)) == list(businesses(40, seed=5))[:20]
    assert list(sample_rows(5, seed=5)) == list(sample_rows(5, seed=5))
    one, other = ({business.key for business in businesses(30, seed=seed)} for seed in (5, 6))
    assert len(one) == 30
    assert not one & other


def test_there_are_many_industries_sizes_seasons_and_gaps() -> None:
    made = list(businesses(policy().packs.count, seed=42))
    assert len(INDUSTRIES) >= 12
    assert {business.industry for business in made} == {profile.name for profile in INDUSTRIES}
    assert {business.industry for business in made[: len(INDUSTRIES)]} == {profile.name for profile in INDUSTRIES}
    companies = [business.company for business in made]
    assert {company["season"] for company in companies} == set(get_args(Season))
    assert len({company["size"] for company in companies}) == 4
    known = Counter(
        area for business in made for area in get_args(Area) if getattr(business.inputs["quant_signals"], area)
    )
    assert any(count < len(made) for count in known.values())
    assert all(count > len(made) / 2 for count in known.values())


@pytest.mark.parametrize("stage", STAGES)
def test_what_the_person_answers_could_be_approved(stage: Stage) -> None:
    for row in of(stage):
        assert contracts.parse_output(stage, contracts.as_json(row.output)) == row.output
        assert contracts.parse_any_input(contracts.as_json(row.input)) == row.input
        assert contracts.ungrounded(row.input, row.output) == ()
        words = set(re.findall(r"\w+", " ".join(contracts.texts_of(row.output).values()).lower()))
        assert not words & set(policy().forbidden.terms)
    assert len({contracts.row_id(stage, row.input, row.output) for row in of(stage)}) == 60
    assert len({row.business for row in of(stage)}) == 60


@pytest.mark.parametrize("stage", STAGES)
def test_no_answer_stands_out_by_its_number(stage: Stage) -> None:
    """Sample rows pass the shares of the policy, so that a demo is blocked by nothing but its own faults."""
    shares = policy().training_diversity
    actions = Counter(action for row in of(stage) for action in contracts.actions_of(row.output))
    if actions:
        assert max(actions.values()) / actions.total() < shares.max_duplicate_actions_share
    starts = Counter(
        " ".join((contracts.primary_constraint_of(row.output) or row.business).split()[:5]) for row in of(stage)
    )
    assert max(starts.values()) / starts.total() < shares.max_same_primary_constraint_prefix_share
    industries = Counter(row.industry for row in of(stage))
    assert max(industries.values()) / industries.total() < shares.max_industry_share


def test_the_trouble_of_a_business_shows() -> None:
    trouble = {business.key: business.trouble or "unclear" for business in businesses(60, seed=7)}
    for rows in (ROWS, [row for each in businesses(60, seed=7) for row in run_through(each, deterministic)]):
        found = [
            (trouble[row.business], contracts.as_json(row.output)["primary_constraint"]["kind"])
            for row in rows
            if row.stage == "synthesis_decision"
        ]
        assert sum(one == other for one, other in found) > 0.75 * len(found)
