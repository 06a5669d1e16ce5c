"""Promoting a stage's model: each gate refuses it in turn, and force waives nothing but a minimum of rows."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.contracts import JobState, Outcome
from shared.db.pool import get_database
from shared.llm.completions import _completions_of, default_completions
from shared.pipelines.stages import eligible
from shared.pipelines.stages.policy import Policy, policy
from shared.settings import Settings
from tests.shared.pipelines.stages.shipyard import STAGE, Shipyard, as_the_expert, samples
from tests.support.fault_provider import FaultProvider

EVAL_GATES = {
    "all": {
        "eval_rows", "no_regression", "schema_validity", "grounding", "forbidden_share", "agreement", "homogeneity",
        "p95_seconds", "cost_usd",
    },
    "pipeline": {
        "eval_rows", "schema_validity", "grounding", "forbidden_share", "homogeneity", "p95_seconds", "cost_usd",
    },
}  # fmt: skip
TOO_STRICT: dict[str, Any] = {
    "min_total_rows": 1_000, "min_industries": 100, "max_industry_share": 0.001,
    "max_duplicate_actions_share": 0.0001, "max_same_primary_constraint_prefix_share": 0.0001,
}  # fmt: skip
FORCE = {"force": True, "reason": "The market day is on Monday."}


@pytest.fixture
def provider() -> Iterator[FaultProvider]:
    with FaultProvider() as server:
        server.answer = as_the_expert
        yield server


@pytest.fixture
def environment(environment: dict[str, str], provider: FaultProvider) -> dict[str, str]:
    return environment | {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "sk-test", "LLM_TIMEOUT_SECONDS": "15"}


@pytest.fixture
def yard(settings: Settings, provider: FaultProvider) -> Iterator[Shipyard]:
    _completions_of.cache_clear()
    yield Shipyard(get_database(), provider=provider)
    if _completions_of.cache_info().currsize:
        default_completions().close()
    _completions_of.cache_clear()


@pytest.fixture
def tuned(yard: Shipyard) -> str:
    """A model of which nobody knows yet that it passes every gate."""
    yard.approve(samples(60))
    yard.run("freeze", surface=STAGE)
    job = yard.sail(yard.submit("finetune", surface=STAGE, live=True))
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result is not None
    model: str = job.result["model_id"]
    return model


@pytest.fixture
def candidate(yard: Shipyard, tuned: str) -> str:
    """A model that passes every gate."""
    yard.run("evaluate", surface=STAGE, model_id=tuned)
    return tuned


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Ask more of the rows that a model was trained on."""

    def change(**wanted: Any) -> None:
        asked: Policy = policy().model_copy(
            update={"training_diversity": policy().training_diversity.model_copy(update=wanted)}
        )
        monkeypatch.setattr(eligible, "policy", lambda: asked)

    return change


def verdicts_of(yard: Shipyard) -> list[dict[str, Any]]:
    ((found,),) = yard.rows("SELECT verdicts FROM evaluations")
    return list(found)


def test_each_gate_of_the_evals_refuses_in_turn_and_no_force_helps(yard: Shipyard, candidate: str) -> None:
    passed = verdicts_of(yard)
    asked = {window: {v["gate"] for v in passed if v["window"] == window} for window in EVAL_GATES}
    assert asked == EVAL_GATES
    for place, verdict in enumerate(passed):
        sentence = f"{verdict['gate']} says no."
        failed = verdict | {"outcome": Outcome.FAIL, "sentence": sentence, "short_of_rows": False}
        changed = [*passed[:place], failed, *passed[place + 1 :]]
        yard.change("UPDATE evaluations SET verdicts = %s::jsonb", json.dumps(changed))
        for force in ({}, FORCE):
            result = yard.run("promote", surface=STAGE, model_id=candidate, **force)
            assert (result["promoted"], sentence in result["sentence"]) == (False, True), verdict
            assert "With --force" not in result["sentence"]
    assert yard.history() == []
    yard.change("UPDATE evaluations SET verdicts = %s::jsonb", json.dumps(passed))
    assert yard.run("promote", surface=STAGE, model_id=candidate)["promoted"]


def test_each_gate_of_diversity_refuses_in_turn_and_force_waives_rows_alone(
    yard: Shipyard, candidate: str, rules: Callable[..., None]
) -> None:
    for gate, bound in TOO_STRICT.items():
        rules(**{gate: bound})
        refused = yard.run("promote", surface=STAGE, model_id=candidate)
        assert not refused["promoted"], gate
        assert [v["gate"] for v in refused["verdicts"] if v["outcome"] != "pass"] == [gate]
        if gate != "min_total_rows":
            forced = yard.run("promote", surface=STAGE, model_id=candidate, **FORCE)
            assert (forced["promoted"], "With --force" in forced["sentence"]) == (False, False), gate
    assert yard.history() == []
    rules(min_total_rows=1_000)
    forced = yard.run("promote", surface=STAGE, model_id=candidate, **FORCE)
    assert (forced["promoted"], forced["forced"]) == (True, True)
    (change,) = yard.history()
    assert change.actor == "teacher"
    assert change.reason.startswith(f"Forced: {FORCE['reason']} Waived: 60 approved rows with an industry, but 1000")
    told = json.loads(yard.bytes_of(forced, yard.named(forced, ".json")))
    assert (told["waived"], told["reason"], told["actor"]) == (["min_total_rows"], FORCE["reason"], "teacher")


def test_the_manual_path_of_the_seed_goes_from_finetune_to_evals_to_promote(yard: Shipyard, tuned: str) -> None:
    assert yard.run("evals", stage=STAGE, model=tuned)["passed"]
    job_id = yard.submit("promote", surface=STAGE, model_id=tuned)
    job = yard.sail(job_id)
    assert job.result is not None
    assert job.result["promoted"], job.result["sentence"]
    assert yard.steps_of(job_id) == [("stages.evaluate", "succeeded")]
    asked = {(verdict["gate"], verdict["window"]) for verdict in job.result["verdicts"]}
    assert {(gate, window) for window, gates in EVAL_GATES.items() for gate in gates} | {("evals", "all")} <= asked


def test_evals_that_failed_at_last_hold_a_promotion_up_until_they_pass(
    yard: Shipyard, provider: FaultProvider, candidate: str
) -> None:
    yard.change("DELETE FROM llm_answers")
    provider.answer = lambda _: "{}"
    failed = yard.run("evals", stage=STAGE, model=candidate)
    assert not failed["passed"]
    for force in ({}, FORCE):
        refused = yard.run("promote", surface=STAGE, model_id=candidate, **force)
        assert not refused["promoted"]
        assert (
            f"Its latest evals, {yard.named(failed, '.json')}, did not pass: 0.0% of the first" in refused["sentence"]
        )
        assert "All five in a row: 0.0% of the first" in refused["sentence"]
    yard.change("DELETE FROM llm_answers")
    provider.answer = as_the_expert
    assert yard.run("evals", stage=STAGE, model=candidate)["passed"]
    assert yard.run("promote", surface=STAGE, model_id=candidate)["promoted"]
