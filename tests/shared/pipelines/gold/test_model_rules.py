"""Gold's guard, lines, scores and gates: each rule alone, and figures that can be computed by hand."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import Outcome
from shared.ids import canonical_json
from shared.llm.chat import ChatRequest
from shared.llm.tuned import First
from shared.llm.wording import word_f1
from shared.pipeline import Answer, Comparison, FineTune, Row, Scores
from shared.pipelines.gold import PIPELINE
from shared.pipelines.gold.contracts import GoldAnswer, Snapshot, evidence_of, parse_snapshot
from shared.pipelines.gold.fallback import INSUFFICIENT
from shared.pipelines.gold.gates import fewer_offenders
from shared.pipelines.gold.guard import GoldGuard
from shared.pipelines.gold.lines import chat_lines, preference_lines
from shared.pipelines.gold.model import judged, request_of
from shared.pipelines.gold.model_policy import model_policy
from shared.pipelines.gold.prompt import answer_text
from shared.pipelines.gold.rules import check_texts
from shared.pipelines.gold.score import agreement, said
from tests.shared.pipelines.gold.conformance import SMALL, SNAPSHOT

SNAP = parse_snapshot(SNAPSHOT)
FINE: dict[str, Any] = {
    "decision": "Call every client whose invoice is over 30 days late.",
    "boundary": "Start no new job for a client with an invoice over 60 days late.",
    "why_this_now": "Late money rarely comes by itself.",
    "one_sentence_pattern": "Work goes on while payment stands still.",
    "confidence": "medium",
    "evidence": ["signals.invoices.overdue.over_30_days=5"],
}


def rules_broken(**changes: Any) -> set[str]:
    return {fault.rule for fault in judged(json.dumps({**FINE, **changes}), SNAP).faults}


def row(number: int, *, kind: str = "gold", origin: str = "human", split: str = "test", **label: Any) -> Row:
    return Row(
        id=f"ex_{number:032x}", group="g", split=split, input=SNAPSHOT, at=datetime(2026, 6, 28, tzinfo=UTC),
        label={**FINE, "kind": kind, "origin": origin, **label},
    )  # fmt: skip


class Says:
    """A model that says these texts, one after the other, and goes round."""

    def __init__(self, *texts: str) -> None:
        self._texts = texts
        self._asked = 0

    def predict(self, inputs: Sequence[Snapshot]) -> list[Answer[GoldAnswer]]:
        raise NotImplementedError("gold is judged by first answers")

    def first(self, snapshots: Sequence[Snapshot]) -> list[First]:
        found = []
        for snapshot in snapshots:
            found.append(judged(self._texts[self._asked % len(self._texts)], snapshot))
            self._asked += 1
        return found


# --- the guard ------------------------------------------------------------------------------------------------------


def test_an_answer_that_keeps_every_rule_passes() -> None:
    assert GoldGuard(SNAP).check(json.dumps(FINE)) == GoldAnswer(**{**FINE, "evidence": tuple(FINE["evidence"])})


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"decision": ""}, "missing"),
        ({"boundary": " \u200b "}, "missing"),
        ({"boundary": "1. Wait. 2. Call."}, "one-thing"),
        ({"decision": "Call them.\nThen wait."}, "one-line"),
        ({"decision": "Build a dashboard."}, "forbidden-term"),
        ({"boundary": "No B.I. before June."}, "forbidden-term"),
        ({"one_sentence_pattern": "\uff2b\uff30\uff29 first."}, "forbidden-term"),
        ({"why_this_now": "Write to ada@mail.example now."}, "personal-data"),
        ({"evidence": []}, "evidence-missing"),
        ({"evidence": ["signals.invoices.overdue.over_30_days=6"]}, "evidence-mismatch"),
        ({"evidence": ["signals.invoices.overdue.over_30_days = 5"]}, "evidence-mismatch"),
        ({"evidence": ["invoices.overdue.over_30_days=5"]}, "evidence-mismatch"),
        ({"evidence": ["signals.jobs.late.count=1"]}, "evidence-mismatch"),
        ({"evidence": ["signals.quotes.sent.count=42"] * 2}, "evidence-repeated"),
        ({"evidence": ["signals.quotes.sent.count=42"] * 13}, "evidence-too-long"),
        ({"evidence": "signals.quotes.sent.count=42"}, "schema-type"),
        ({"confidence": "certain"}, "schema-enum"),
        ({"note": "more"}, "schema-additionalProperties"),
    ],
)
def test_each_rule_is_named_when_it_is_broken(changes: dict[str, Any], rule: str) -> None:
    assert rule in rules_broken(**changes)


def test_words_that_only_look_forbidden_pass() -> None:
    assert rules_broken(decision="Use the ability of the crew to bid before billing.") == set()


@given(
    st.text(max_size=400)
    | st.recursive(st.none() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(json.dumps)
)
def test_no_garbage_passes_and_nothing_is_quoted(text: str) -> None:
    faults = judged(text, SNAP).faults
    assert faults
    assert all(len(fault.message) < 300 for fault in faults)


@given(st.fixed_dictionaries({name: st.text(max_size=80) for name in ("decision", "boundary")}))
def test_whatever_passes_keeps_the_rules(texts: dict[str, str]) -> None:
    found = GoldGuard(SNAP).check(json.dumps({**FINE, **texts}))
    if isinstance(found, GoldAnswer):
        assert not check_texts(found.model_dump())
        assert set(found.evidence) <= set(evidence_of(SNAP))


def test_the_rewrite_names_what_was_wrong_and_what_may_be_evidence() -> None:
    guard = GoldGuard(SNAP)
    text = json.dumps({**FINE, "evidence": ["signals.jobs.late.count=1"]})
    faults = judged(text, SNAP).faults
    said, asked = guard.rewrite_messages(text, faults)
    assert (said.role, said.content, asked.role) == ("assistant", text, "user")
    assert "the snapshot does not have evidence entry 1" in asked.content
    assert all(entry in asked.content for entry in evidence_of(SNAP))


def test_the_fallback_says_nothing_forbidden() -> None:
    assert not check_texts(INSUFFICIENT.model_dump())
    assert GoldGuard(SNAP).fallback() is INSUFFICIENT


# --- lines ----------------------------------------------------------------------------------------------------------


def test_a_line_asks_as_production_does_and_ends_with_the_answer() -> None:
    (line,) = chat_lines([row(1)])
    asked: ChatRequest = request_of("m", SNAP)
    assert [m.model_dump() for m in asked.messages] == line["messages"][:-1]
    assert line["messages"][1] == {"role": "user", "content": canonical_json(SNAPSHOT).decode()}
    assert json.loads(line["messages"][2]["content"]) == FINE
    assert isinstance(PIPELINE.train, FineTune)
    assert list(PIPELINE.train.lines([row(1)])) == [line]


def test_a_negative_teaches_its_correction_and_prefers_it_to_what_was_rejected() -> None:
    rows = [
        row(1),
        row(2, kind="negative", origin="machine", rejected="nonsense"),
        row(3, kind="negative", rejected=" "),
    ]
    assert json.loads(list(chat_lines(rows))[1]["messages"][-1]["content"]) == FINE
    (pair,) = preference_lines(rows)
    assert pair["non_preferred_output"] == [{"role": "assistant", "content": "nonsense"}]
    assert pair["preferred_output"][0]["content"] == answer_text(GoldAnswer(**FINE))


# --- scores and gates -----------------------------------------------------------------------------------------------


def test_only_what_people_concluded_is_a_yardstick_and_every_row_may_show_an_offender() -> None:
    other = {**FINE, "decision": "Wait and see.", "evidence": ["signals.jobs.late.count=1"]}
    rows = [row(1), row(2), row(3, origin="machine"), row(4, kind="negative", rejected="x")]
    found = PIPELINE.score(Says(json.dumps(FINE), json.dumps(other)), iter(rows))
    assert found.per_row == [1.0, 0.5]  # the other one has the boundary right
    assert found.metrics == {
        "gold_rows": 2, "agreement": 0.75, "judged_rows": 4, "offenders": 2, "offender_rate": 0.5,
        "broken": {"evidence-mismatch": 2},
    }  # fmt: skip


def test_agreement_is_the_mean_f1_of_words() -> None:
    assert word_f1("Call the clients", "call \uff34\uff28\uff25 clients now") == pytest.approx(6 / 7)
    assert word_f1("", "") == 1
    assert word_f1("", "a") == 0
    assert agreement(("a b", "c"), ("a b", "d")) == 0.5
    assert said("[1]") == ("", "")
    assert said('{"decision": 4, "boundary": "b"}') == ("", "b")


def _scores(agreed: float, offenders: int, rows: int = 40) -> Scores:
    metrics = {"agreement": agreed, "judged_rows": rows, "offenders": offenders, "offender_rate": offenders / rows}
    return Scores(per_row=[agreed] * rows, metrics=metrics)


def _outcomes(candidate: Scores, active: Scores | None) -> dict[str, Outcome]:
    verdicts = PIPELINE.gates([Comparison(window="all", candidate=candidate, active=active)])
    return {verdict.gate: verdict.outcome for verdict in verdicts}


def test_the_gates_refuse_what_breaks_rules_too_often_or_more_often_than_before() -> None:
    most = int(model_policy().max_offender_rate * 40)
    assert _outcomes(_scores(0.9, most), None)["offenders"] is Outcome.PASS
    assert _outcomes(_scores(0.9, most + 1), None)["offenders"] is Outcome.FAIL
    assert _outcomes(_scores(0.9, 4), _scores(0.9, 4))["offenders"] is Outcome.PASS
    assert _outcomes(_scores(0.9, 5), _scores(0.9, 4))["offenders"] is Outcome.FAIL


def test_the_gates_ask_for_agreement_with_people_and_for_no_loss_of_it() -> None:
    assert _outcomes(_scores(0.9, 0), _scores(0.9, 0)) == dict.fromkeys(
        ("agreement", "no_regression", "offenders"), Outcome.PASS
    )
    assert _outcomes(_scores(0.1, 0), None)["agreement"] is Outcome.FAIL
    assert _outcomes(_scores(0.5, 0), _scores(0.9, 0))["no_regression"] is Outcome.FAIL
    by_rules = Scores(per_row=(), metrics={"agreement": None, "judged_rows": 40, "offenders": 0, "offender_rate": 0.0})
    assert _outcomes(by_rules, None)["agreement"] is Outcome.INSUFFICIENT
    assert _outcomes(Scores(per_row=(), metrics={}), None)["offenders"] is Outcome.INSUFFICIENT


@pytest.mark.parametrize(
    ("after", "before", "outcome"),
    [
        ((1, 40), (4, 40), Outcome.PASS),
        ((4, 40), (4, 40), Outcome.FAIL),
        ((5, 40), (4, 40), Outcome.FAIL),
        ((0, 40), (0, 40), Outcome.PASS),
        ((3, 40), None, Outcome.PASS),
        ((0, 0), (0, 0), Outcome.INSUFFICIENT),
    ],
)
def test_a_second_model_must_break_rules_less_often(
    after: tuple[int, int], before: tuple[int, int] | None, outcome: Outcome
) -> None:
    verdict = fewer_offenders(after, before)
    assert verdict.outcome is outcome
    assert verdict.sentence.endswith(".")


def test_a_small_snapshot_has_little_to_ground_an_answer_in() -> None:
    assert evidence_of(parse_snapshot(SMALL)) == ("signals.jobs.created.count=3",)
