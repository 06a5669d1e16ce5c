"""Snapshots and rows in words for people: nothing is lost on the way, and a row of any age can be shown."""

from typing import Any

import pytest

from api.review.items.decisions import read_form
from api.review.items.readings import reading_of, told
from api.review.items.rewriting import Field, Group
from api.review.items.snapshots import band, snapshot_of, window_of
from shared.contracts import JsonObject
from shared.pipelines.gold.contracts import evidence_entries
from shared.pipelines.stages.contracts import as_json, evidence_of
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.versions import STAGES, Stage
from tests.shared.pipelines.stages.made import pack, values_of


def _content(stage: Stage, number: int = 7) -> JsonObject:
    value = values_of(pack(number))[stage]
    return {"stage": stage, "input": as_json(value), "output": as_json(deterministic(value))}


def _sent(groups: tuple[Group, ...], **changes: str) -> list[tuple[str, str]]:
    """What a browser sends of a form: every field by its name."""
    fields: list[Field] = [field for group in groups for field in group.fields]
    return [(field.name, changes.get(field.path.replace(".", "_"), field.value)) for field in fields]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("number", [0, 7, 40])
def test_a_form_that_is_sent_as_it_is_says_what_the_row_said(stage: Stage, number: int) -> None:
    content = _content(stage, number)
    groups = reading_of(content)["form"]
    assert read_form([*_sent(groups), ("with-fields", "{}")]).decision == {"output": content["output"]}


def test_a_statement_can_be_added_and_taken_out() -> None:
    content = _content("emyth_owner_load")
    groups = reading_of(content)["form"]
    (extra,) = [group for group in groups if group.extra]
    assert extra.fields[0].path == f"output.roles.{len(content['output']['roles'])}.role"
    fields = dict(_sent(groups))
    gone = {name: "" for name in fields if name.startswith("output.roles.0.")}
    added = {field.name: "finance" for field in extra.fields}
    roles = read_form([*(fields | gone | added).items(), ("with-fields", "{}")]).decision["output"]["roles"]
    assert [role["role"] for role in roles] == [content["output"]["roles"][1]["role"], "finance"]
    assert roles[-1]["evidence"] == ["finance"]


def test_what_an_answer_rests_on_is_marked_in_the_input() -> None:
    found = reading_of(_content("emyth_owner_load"))
    tables = [part.table for part in found["given"] if part.table]
    cells = [cell for table in tables for _, row in table.rows for cell in row if cell]
    assert {cell.name for cell in cells if cell.cited} == {"Owner hours", "Team hours", "Documented", "Deputy"}
    said = [each for part in found["answered"] for statement in part.statements for each in statement.evidence]
    assert said
    assert all(each.known for each in said)


def test_evidence_that_the_input_does_not_have_is_told() -> None:
    content = _content("quant_signals")
    content["output"]["signals"][0]["evidence"] = ["money.cash_weeks=3"]
    (unknown,) = [
        each
        for part in reading_of(content)["answered"]
        for statement in part.statements
        for each in statement.evidence
        if not each.known
    ]
    assert (unknown.name, unknown.text) == ("Money · Cash weeks", "3 weeks")


@pytest.mark.parametrize(
    "output",
    [{}, {"schema_version": "old", "signals": "none", "summary": 5}, {"signals": [1, {"evidence": 3}], "evidence": {}},
     {"signals": {"a": [None]}, "confidence": None, "gaps": [[1]]}],
)  # fmt: skip
@pytest.mark.parametrize("given", [{}, {"company": 1, "x": {"y": {"z": []}}}, {"a": {"b": {}, "c": {"d": None}}}])
def test_a_row_of_any_contract_can_be_shown(output: JsonObject, given: JsonObject) -> None:
    assert reading_of({"stage": "quant_signals", "input": given, "output": output})["form"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("overdue_pct", 31, ("Overdue", "31 %")),
        ("rating_tenths", 41, ("Rating", "4.1 of 5")),
        ("cash_weeks", 1_200, ("Cash weeks", "1,200 weeks")),
        ("documented", False, ("Documented", "no")),
        ("revenue", "500k-2m", ("Revenue", "500k\N{EN DASH}2m")),
        ("revenue", "over-10m", ("Revenue", "over 10m")),
        ("due_days", 14, ("Due in", "14 days")),
    ],
)
def test_values_have_units(name: str, value: Any, words: tuple[str, str]) -> None:
    assert told(name, value) == words


def test_a_snapshot_is_told_in_the_order_of_its_contract() -> None:
    signals = {
        "jobs": {"closed": {"revenue_band": "0", "margin_band": "loss", "count": 2}},
        "quotes": {"won_band": "over-75", "waiting": {"over_14_days": 0, "count": 9, "value_band": "20k-50k"}},
    }
    window = {"from": "2025-12-22", "to": "2026-01-04"}
    entries = evidence_entries(signals)
    found = snapshot_of({"window": window, "signals": signals, "suggested_evidence": entries[:2]})
    assert found["window"] == "22 December 2025 to 4 January 2026, 14 days"
    assert [report.name for report in found["reports"]] == ["Quotes", "Jobs"]
    parts = [part for report in found["reports"] for part in report.parts]
    shown = [each for part in parts for each in (part.count, *part.others) if each]
    assert sorted(each.entry for each in shown) == list(entries), "each value can be chosen"
    assert {each.entry for each in shown if each.suggested} == set(entries[:2])
    words = {f"{each.before} {each.figure} {each.behind}".strip() for each in shown}
    assert words == {"9", "worth 20k\N{EN DASH}50k", "0 over 14 days", "over 75 % of those answered", "2", "revenue 0",
                     "at a loss"}  # fmt: skip


def test_one_day_is_a_window_too() -> None:
    assert window_of({"from": "2026-03-01", "to": "2026-03-01"}) == "1 March to 1 March 2026, 1 day"
    assert band("0") == "0"


def test_each_entry_that_is_offered_may_stand_as_evidence() -> None:
    for stage in STAGES:
        found = reading_of(_content(stage))
        facts = [*found["company"], *(fact for part in found["given"] for fact in part.facts)]
        facts += [fact for part in found["given"] for said in part.statements for fact in said.words]
        facts += [cell for part in found["given"] if part.table for _, row in part.table.rows for cell in row if cell]
        entries = {fact.entry for fact in facts if fact.entry}
        assert len(entries) > 5
        assert entries <= set(evidence_of(values_of(pack(7))[stage]))
