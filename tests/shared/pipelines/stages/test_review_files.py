"""Decisions of people on rows: review files go out blank and come back decided, all of one or nothing."""

import json
from typing import Any

import pytest

from shared.contracts import JsonObject
from tests.shared.pipelines.stages.made import row, rows
from tests.shared.pipelines.stages.office import Office

REASON = "The evidence carries it."
PERSON = "wilhelmina@canary.example"


@pytest.fixture
def waiting(office: Office) -> list[JsonObject]:
    """The review file of ten rows that wait."""
    office.bring(rows(range(5), ("blue_ocean", "quant_signals")))
    return office.review(office.run("export-review"))


def decided(line: JsonObject, decision: str = "approve", **changes: Any) -> JsonObject:
    return line | {"decision": decision, "note": REASON} | changes


def edited(line: JsonObject, summary: str = "Rewritten by hand.") -> JsonObject:
    return decided(line, output=line["output"] | {"summary": summary})


def test_a_review_file_goes_out_blank(office: Office, waiting: list[JsonObject]) -> None:
    assert [line["stage"] for line in waiting] == ["blue_ocean"] * 5 + ["quant_signals"] * 5
    assert all(line["decision"] == line["note"] == "" and line["pack"] is None for line in waiting)
    few = office.run("export-review", stage=["quant_signals"], limit=2)
    assert (few["rows"], few["stages"]) == (2, {"quant_signals": 2})
    office.run("approve", ids=[line["id"] for line in waiting], note=REASON)
    assert office.refusal("export-review")["message"] == "no row waits for a decision"


def test_decisions_of_a_file_are_stored_with_who_and_why(office: Office, waiting: list[JsonObject]) -> None:
    file = [decided(waiting[0]), decided(waiting[1], "reject"), decided(waiting[2], note=""), *waiting[3:]]
    result = office.run("approve", file=office.send(file), note="For all others.")
    assert result == {"rows": 10, "approved": 2, "rejected": 1, "edited": 0, "untouched": 7, "changed": 3}
    found = office.rows("SELECT id, approved, note, decided_by FROM stage_rows WHERE approved IS NOT NULL")
    assert {each[0]: each[1:] for each in found} == {
        waiting[0]["id"]: (True, REASON, "teacher"),
        waiting[1]["id"]: (False, REASON, "teacher"),
        waiting[2]["id"]: (True, "For all others.", "teacher"),
    }
    assert office.run("approve", file=office.send(file), note="For all others.")["changed"] == 0
    turned = office.run("approve", ids=[waiting[0]["id"]], decision="reject", note="On second thought.")
    assert (turned["rejected"], turned["changed"]) == (1, 1)
    assert office.rows("SELECT id FROM stages_examples") == [(waiting[2]["id"],)]


def test_an_edited_output_becomes_a_row_of_its_own(office: Office, waiting: list[JsonObject]) -> None:
    line = edited(waiting[0]) | {"industry": "bakery"}
    result = office.run("approve", file=office.send([line, *waiting[1:]]))
    assert (result["approved"], result["rejected"], result["edited"], result["changed"]) == (1, 0, 1, 2)
    ((new, source, edited_from, group, industry, output),) = office.rows(
        "SELECT id, source, edited_from, group_key, industry, output FROM stage_rows WHERE approved"
    )
    assert (source, edited_from, group) == ("edit", line["id"], line["business"])
    assert (industry, output["summary"]) == ("bakery", "Rewritten by hand.")
    assert office.rows("SELECT approved, note FROM stage_rows WHERE id = %s", line["id"]) == [
        (False, f"an edited row took its place: {REASON}")
    ]
    again = office.run("approve", file=office.send([line]))
    assert (again["edited"], again["changed"]) == (1, 0)
    assert office.rows("SELECT id FROM stages_examples") == [(new,)]


def test_a_person_may_say_the_industry(office: Office) -> None:
    office.bring([row(1, "blue_ocean", industry=None)])
    (line,) = office.review(office.run("export-review"))
    assert line["industry"] is None
    office.run("approve", file=office.send([decided(line)]))
    assert office.rows("SELECT count(*) FROM stages_examples") == [(0,)], "what counts in no gate is not learned from"
    office.run("approve", file=office.send([decided(line, industry="roofing")]))
    assert office.rows("SELECT label ->> 'industry' FROM stages_examples") == [("roofing",)]


BAD: tuple[tuple[JsonObject, str], ...] = (
    ({"decision": "perhaps"}, "its decision is none of: approve, reject, or nothing"),
    ({"note": ""}, "it has a decision and no note: say why"),
    ({"note": "  "}, "its note is not a text of 1 to 500 characters"),
    ({"note": 7}, "its note is not a text of 1 to 500 characters"),
    ({"note": f"{PERSON} says so"}, "the note has what looks like an e-mail address or a phone number"),
    ({"id": "Wilhelmina"}, "its id is missing, or not one of a row"),
    ({"id": "ex_" + "0" * 32}, "its id is unknown: import the row first (stages.import-rows)"),
    ({"stage": "quant_signals"}, "its stage was changed: it must stay as it was"),
    ({"business": "biz-9"}, "its business was changed: it must stay as it was"),
    ({"input": {}}, "its input was changed: it must stay as it was"),
    ({"industry": "Wilhelmina's"}, "its industry is not of the form that it must have"),
    ({"by": "Wilhelmina"}, "it has a field that is none of: answered_by, business, decision, id,"),
    ({"output": {"schema_version": "blue_ocean_v0"}}, "the output of blue_ocean has another schema_version than"),
    ({"output": None}, "the output of blue_ocean is no JSON object"),
)


def test_one_bad_decision_keeps_all_out(office: Office, waiting: list[JsonObject]) -> None:
    for change, message in BAD:
        file = [decided(waiting[1]), decided(waiting[0]) | change]
        error = office.refusal("approve", file=office.send(file))
        assert (error["code"], error["details"]["rows"]) == ("review-refused", 2)
        (refused,) = error["details"]["lines"]
        assert refused["line"] == 2
        assert refused["message"].startswith(message)
        assert "ilhelmina" not in json.dumps(error)
    assert office.rows("SELECT count(*) FROM stage_rows WHERE approved IS NOT NULL") == [(0,)]


def test_what_an_edit_may_not_be(office: Office, waiting: list[JsonObject]) -> None:
    line = waiting[0]
    moves = [line["output"]["moves"][0] | {"evidence": ["factors.price.own=99"]}, *line["output"]["moves"][1:]]
    for change, message in (
        (edited(line) | {"decision": ""}, "its output was changed and it has no decision: write approve"),
        (edited(line) | {"decision": "reject"}, "its output was changed and it is rejected: approve it"),
        (edited(line, "Look at the dashboard."), "summary has the forbidden term “dashboard”"),
        (edited(line, f"Ask {PERSON}."), "summary has what looks like an e-mail address or a phone number"),
        (decided(line, output=line["output"] | {"moves": moves}), "the input does not have evidence entry 1"),
        (edited(line) | {"note": f"{PERSON}"}, "the note has what looks like"),
    ):
        (refused,) = office.refusal("approve", file=office.send([change]))["details"]["lines"]
        assert refused["message"].startswith(message)
        assert PERSON not in json.dumps(refused)


def test_files_that_decide_nothing(office: Office, waiting: list[JsonObject]) -> None:
    assert office.refusal("approve", file=office.send(waiting))["message"] == "no row of the file has a decision"
    assert office.refusal("approve", file=office.upload(b""))["message"] == "the file has no rows"
    twice = office.refusal("approve", file=office.send([decided(waiting[0]), decided(waiting[0], "reject")]))
    assert [line["message"] for line in twice["details"]["lines"]] == ["its id stands there 2 times"] * 2
    unread = office.refusal("approve", file=office.upload(b"[]\n{"))
    assert [line["line"] for line in unread["details"]["lines"]] == [1, 2]


def test_rows_that_may_not_be_approved_by_id(office: Office, waiting: list[JsonObject]) -> None:
    office.change(
        'UPDATE stage_rows SET input = input || \'{"schema_version": "old"}\' WHERE id = %s', waiting[0]["id"]
    )
    ids = [waiting[1]["id"], waiting[0]["id"], "ex_" + "0" * 32]
    lines = office.refusal("approve", ids=ids, note=REASON)["details"]["lines"]
    assert [line["line"] for line in lines] == [2, 3]
    assert "has another schema_version" in lines[0]["message"]
    assert office.run("approve", ids=ids[:2], decision="reject", note="Old.")["rejected"] == 2
    for params in ({}, {"ids": ids}, {"ids": ids, "file": "0" * 64, "note": REASON}, {"ids": ids, "note": PERSON}):
        with pytest.raises(ValueError, match=r"give either|needs a note|e-mail"):
            office.submit("approve", **params)
