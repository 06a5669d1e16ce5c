"""The stages' guard, lines, agreement, tallies and gates: each rule alone, and figures that can be computed by hand."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import JsonObject, Outcome
from shared.llm.structured import takes_strict
from shared.llm.tuned import First, faults_of
from shared.pipeline import Answer, Comparison, FineTune, Row, Scores
from shared.pipelines.stages import PIPELINE
from shared.pipelines.stages.agreement import agreement
from shared.pipelines.stages.contracts import as_json, canonical, evidence_of
from shared.pipelines.stages.contracts_inputs import StageInput
from shared.pipelines.stages.contracts_outputs import StageOutput
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.eligible import eligible
from shared.pipelines.stages.evals import EvalsReport, StageEval
from shared.pipelines.stages.evals_page import page
from shared.pipelines.stages.guard import StageGuard
from shared.pipelines.stages.lines import chat_lines
from shared.pipelines.stages.model import request_of
from shared.pipelines.stages.policy import policy
from shared.pipelines.stages.prompt import system_prompt
from shared.pipelines.stages.tally import Tally, quantile
from shared.pipelines.stages.versions import STAGES, Stage
from tests.shared.pipelines.stages.conformance import CASE
from tests.shared.pipelines.stages.made import pack, values_of

VALUES = values_of(pack(3))
SYNTHESIS = VALUES["synthesis_decision"]
FINE: JsonObject = as_json(deterministic(SYNTHESIS))


def faults(change: JsonObject, value: StageInput = SYNTHESIS) -> set[str]:
    text = json.dumps({**FINE, **change})
    return {fault.rule for fault in faults_of(StageGuard(value), text)}


def constraint(**changes: Any) -> JsonObject:
    return {"primary_constraint": {**FINE["primary_constraint"], **changes}}


def row(number: int, value: StageInput, *, industry: str = "plumbing") -> Row:
    return Row(
        id=f"ex_{number:032x}", group=f"g{number}", split="test", input=as_json(value),
        at=datetime(2026, 6, 28, tzinfo=UTC), label={"industry": industry, "output": as_json(deterministic(value))},
    )  # fmt: skip


class Says:
    """A model that says these texts, one after the other."""

    def __init__(self, *texts: str) -> None:
        self._texts = iter(texts)

    def predict(self, inputs: Sequence[StageInput]) -> list[Answer[StageOutput]]:
        raise NotImplementedError("stages are judged by first answers")

    def first(self, inputs: Sequence[StageInput]) -> list[First]:
        texts = [next(self._texts) for _ in inputs]
        guards = [StageGuard(value) for value in inputs]
        return [
            First(text=text, faults=faults_of(guard, text), seconds=1.0, cost_usd=0.01)
            for text, guard in zip(texts, guards, strict=True)
        ]


# --- guard and lines ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_what_the_rules_say_passes_the_guard_of_its_stage(stage: Stage) -> None:
    value = VALUES[stage]
    guard = StageGuard(value)
    assert guard.check(canonical(deterministic(value))) == guard.fallback()
    assert takes_strict(guard.schema)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (constraint(statement="Build a dashboard."), "forbidden-term"),
        (constraint(statement="Write to ada@mail.example now."), "personal-data"),
        (constraint(evidence=["quant_signals.summary=nothing"]), "evidence-mismatch"),
        (constraint(evidence=[]), "shape"),
        (constraint(statement=""), "shape"),
        (constraint(kind="fate"), "schema-enum"),
        ({"confidence": 3}, "schema-type"),
        ({"note": "more"}, "schema-additionalProperties"),
        ({"schema_version": "blue_ocean_v1"}, "schema-enum"),
    ],
)
def test_each_rule_is_named_when_it_is_broken(change: JsonObject, rule: str) -> None:
    assert faults({}) == set()
    assert rule in faults(change)


@given(
    st.text(max_size=400)
    | st.recursive(st.none() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(json.dumps)
)
def test_no_garbage_passes_and_nothing_is_quoted(text: str) -> None:
    found = faults_of(StageGuard(SYNTHESIS), text)
    assert found
    assert all(len(fault.message) < 1000 for fault in found)


def test_the_rewrite_names_what_was_wrong_and_what_may_be_evidence() -> None:
    guard = StageGuard(SYNTHESIS)
    text = json.dumps({**FINE, **constraint(evidence=["quant_signals.confidence=none"])})
    said, asked = guard.rewrite_messages(text, faults_of(guard, text))
    assert (said.role, said.content, asked.role) == ("assistant", text, "user")
    assert "does not have evidence entry 1" in asked.content
    assert asked.content.endswith(canonical(SYNTHESIS))
    assert all(entry in asked.content for entry in evidence_of(SYNTHESIS)[:20])


@pytest.mark.parametrize("stage", STAGES)
def test_a_line_asks_as_production_does_and_ends_with_the_approved_answer(stage: Stage) -> None:
    value = VALUES[stage]
    (line,) = chat_lines([row(1, value)])
    asked = request_of("m", value)
    assert [message.model_dump() for message in asked.messages] == line["messages"][:-1]
    assert asked.schema_name == stage
    assert line["messages"][0]["content"] == system_prompt(stage)
    assert line["messages"][2] == {"role": "assistant", "content": canonical(deterministic(value))}
    assert isinstance(PIPELINE.train, FineTune)
    assert list(PIPELINE.train.lines([row(1, value)])) == [line]


# --- agreement and tallies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "truth", "expected"),
    [
        ({"confidence": "low"}, {"confidence": "low"}, 1.0),
        ({"confidence": "low"}, {"confidence": "high"}, 0.0),
        ({"summary": "call the clients"}, {"summary": "call clients"}, 0.8),
        ({"due_days": 10}, {"due_days": 20}, 0.5),
        ({"due_days": True}, {"due_days": 1}, 0.0),
        ({"evidence": ["a=1", "b=2"]}, {"evidence": ["b=2", "c=3"]}, 0.5),
        ({"gaps": []}, {"gaps": []}, 1.0),
        ({"roles": [{"role": "sales", "load": "fair"}]}, {"roles": [{"role": "office", "load": "fair"}]}, 0.0),
        (
            {"roles": [{"role": "office", "load": "fair"}, {"role": "sales", "load": "fair"}]},
            {"roles": [{"role": "sales", "load": "heavy"}, {"role": "office", "load": "fair"}]},
            0.75,
        ),
        ({}, {"confidence": "low"}, 0.0),
        ({"schema_version": "x", "confidence": "low"}, {"schema_version": "y", "confidence": "low"}, 1.0),
    ],
)
def test_agreement_of_words_numbers_texts_and_entries(said: JsonObject, truth: JsonObject, expected: float) -> None:
    assert agreement(said, truth) == pytest.approx(expected)


@given(st.sampled_from(STAGES), st.integers(0, 40), st.integers(0, 40))
def test_agreement_lies_between_nothing_and_all_and_is_all_for_the_same(stage: Stage, one: int, other: int) -> None:
    first, second = (as_json(deterministic(values_of(pack(number))[stage])) for number in (one, other))
    assert agreement(first, first) == 1
    assert 0 <= agreement(first, second) <= 1


def test_a_tally_counts_what_first_answers_are_like() -> None:
    tally = Tally()
    wrong = json.dumps({**FINE, **constraint(evidence=["quant_signals.confidence=none"])})
    for number, text in enumerate((canonical(deterministic(SYNTHESIS)), wrong, "nonsense", wrong)):
        tally.add(
            SYNTHESIS, First(text=text, faults=faults_of(StageGuard(SYNTHESIS), text), seconds=number, cost_usd=1)
        )
    found = tally.figures()
    cited = 1 + sum(len(action["evidence"]) for action in FINE["actions"])
    first = len(FINE["primary_constraint"]["evidence"]) + cited - 1
    assert (found["rows"], found["schema_validity"], found["forbidden_share"]) == (4, 0.75, 0)
    assert found["grounding"] == pytest.approx((first + 2 * (cited - 1)) / (first + 2 * cited))
    assert found["homogeneity"] == 0.75  # the words are the same whatever they rest on
    assert (found["p50_seconds"], found["p95_seconds"], found["cost_usd"]) == (1, 3, 1)
    assert found["broken"] == {"evidence-mismatch": 2, "not-json": 1}


def test_of_nothing_there_are_no_figures() -> None:
    assert quantile([], 0.5) is None
    found = Tally().figures()
    assert {found[name] for name in found if name not in {"rows", "broken"}} == {None}


# --- scores, gates and eligibility ----------------------------------------------------------------------------------


def test_each_row_scores_how_far_the_first_answer_agrees() -> None:
    found = PIPELINE.score(Says(json.dumps(FINE), "nonsense"), iter([row(1, SYNTHESIS), row(2, SYNTHESIS)]))
    assert found.per_row == [1.0, 0.0]
    assert (found.metrics["agreement"], found.metrics["schema_validity"]) == (0.5, 0.5)


def _outcomes(rows: int = 20, /, **metrics: Any) -> dict[str, Outcome]:
    scores = Scores(per_row=[0.9] * rows, metrics={**CASE.scores(20, 20).metrics, "agreement": 0.9, **metrics})
    verdicts = PIPELINE.gates([Comparison(window="all", candidate=scores, active=None)])
    return {verdict.gate: verdict.outcome for verdict in verdicts}


@pytest.mark.parametrize(
    ("name", "limit", "step"),
    [
        ("schema_validity", policy().evals.min_schema_validity, -0.001),
        ("grounding", policy().evals.min_grounding, -0.001),
        ("forbidden_share", policy().evals.max_forbidden_share, 0.001),
        ("agreement", policy().evals.min_agreement, -0.001),
        ("homogeneity", policy().evals.max_homogeneity, 0.001),
        ("p95_seconds", policy().evals.max_p95_seconds, 0.001),
        ("cost_usd", policy().evals.max_cost_usd, 0.001),
    ],
)
def test_each_figure_passes_at_its_bound_and_fails_beyond_it(name: str, limit: float, step: float) -> None:
    assert set(_outcomes(**{name: limit}).values()) == {Outcome.PASS}
    beyond = _outcomes(**{name: limit + step})
    assert beyond.pop(name) is Outcome.FAIL
    assert set(beyond.values()) == {Outcome.PASS}


def test_zero_evaluated_rows_fail_and_few_are_too_little_evidence() -> None:
    assert _outcomes(0)["eval_rows"] is Outcome.FAIL
    assert _outcomes(policy().evals.min_rows - 1)["eval_rows"] is Outcome.INSUFFICIENT
    assert _outcomes(policy().evals.min_rows)["eval_rows"] is Outcome.PASS
    assert _outcomes(grounding=None)["grounding"] is Outcome.INSUFFICIENT
    assert _outcomes(p95_seconds=None)["p95_seconds"] is Outcome.PASS  # nobody measured: the cache is no evidence


def test_a_model_is_eligible_by_its_rows_and_how_different_they_are() -> None:
    values = [values_of(pack(number))["blue_ocean"] for number in range(60)]
    few = {verdict.gate: verdict for verdict in eligible("blue_ocean", (row(n, values[n]) for n in range(39)))}
    assert few["stage_rows"].outcome is Outcome.INSUFFICIENT
    assert few["stage_rows"].short_of_rows
    assert few["min_industries"].outcome is not Outcome.PASS
    many = eligible("blue_ocean", (row(n, v, industry=f"trade-{n % 5}") for n, v in enumerate(values)))
    assert {verdict.gate: verdict.outcome for verdict in many}["stage_rows"] is Outcome.PASS


def test_the_page_of_an_eval_lets_nothing_run() -> None:
    hostile = "<script>alert(1)</script>"
    each = StageEval(
        answered_by=hostile, model_id=None, rows=1, figures={"rows": 1, "broken": {hostile: 2}},
        verdicts=tuple(PIPELINE.gates([Comparison(window="all", candidate=CASE.scores(1, 1), active=None)])),
        passed=False,
    )  # fmt: skip
    report = EvalsReport(
        at="2026-01-01T00:00:00+00:00", job_id="job_1", passed=False, sentence="No.", stages={"blue_ocean": each},
        pipeline=each, thresholds={},
    )  # fmt: skip
    shown = page(report).decode()
    assert hostile not in shown
    assert shown.count("&lt;script&gt;") == 4
    assert "default-src 'none'" in shown
