"""The thresholds of stages: the seed's defaults, and a file that is whole."""

import pytest
from pydantic import ValidationError

from shared.pipelines.stages.policy import DiversityPolicy, LivePolicy, Policy, policy
from shared.pipelines.stages.versions import STAGES


def test_the_defaults_are_those_of_the_seed() -> None:
    found = policy()
    assert found.training_diversity.model_dump() == {
        "min_total_rows": 40,
        "min_industries": 4,
        "max_industry_share": 0.60,
        "max_duplicate_actions_share": 0.35,
        "max_same_primary_constraint_prefix_share": 0.35,
    }
    assert found.training_diversity == DiversityPolicy()
    assert found.live == LivePolicy(min_rows=40, max_homogeneity_share=0.8)
    assert found.model.base_model == "gpt-4.1-mini-2025-04-14"
    assert found.ship.live is False
    assert found.ship.days == 90


def test_a_policy_that_forgets_a_stage_is_refused() -> None:
    raw = policy().model_dump()
    assert Policy.model_validate(raw) == policy()
    del raw["min_samples"][STAGES[0]]
    with pytest.raises(ValidationError, match="every stage"):
        Policy.model_validate(raw)
