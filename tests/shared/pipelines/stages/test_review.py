"""People decide on rows one by one: approve, rewrite or reject, each with an undo that leaves nothing behind."""

from typing import Any

import pytest

from shared.contracts import JsonObject
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.loop import review
from shared.pipelines.stages import PIPELINE
from shared.pipelines.stages.review import ROWS
from shared.pipelines.stages.versions import STAGES
from tests.shared.pipelines.stages.made import rows
from tests.shared.pipelines.stages.office import Office

(REVIEW,) = PIPELINE.reviews
REASON = "The evidence carries it."
PERSON = "wilhelmina@canary.example"


class Desk:
    """A person's desk: the stages' queue through the loop."""

    def __init__(self, office: Office) -> None:
        self.office = office

    def next(self, reviewer: str = "ada", limit: int = 100) -> list[str]:
        with self.office.database.reading() as conn:
            return [item.id for item in review.next_items(conn, PIPELINE, ROWS, reviewer=reviewer, limit=limit)]

    def decide(self, item: str, decision: Any = "approve", reviewer: str = "ada", **said: Any) -> JsonObject:
        with self.office.database.transaction() as conn:
            said = {"decision": decision, **said}
            return review.decide(conn, PIPELINE, ROWS, item, reviewer=reviewer, decision=said)[1]

    def undo(self, item: str, reviewer: str = "ada") -> JsonObject:
        with self.office.database.transaction() as conn:
            return review.undo(conn, PIPELINE, ROWS, item, reviewer=reviewer, by=reviewer)[1]

    def show(self, item: str) -> JsonObject:
        with self.office.database.reading() as conn:
            return REVIEW.show(conn, item).content

    def edited(self, item: str, summary: str = "Rewritten by hand.") -> JsonObject:
        output: JsonObject = self.show(item)["output"]
        return output | {"summary": summary}

    def faults(self, item: str, decision: JsonObject) -> list[tuple[str, str]]:
        assert REVIEW.faults is not None
        with self.office.database.reading() as conn:
            return [(fault.field, fault.message) for fault in REVIEW.faults(conn, item, decision)]

    def rows(self) -> list[tuple[Any, ...]]:
        return self.office.rows(
            "SELECT id, approved, note, decided_by, industry, edited_from, output FROM stage_rows ORDER BY id"
        )


@pytest.fixture
def desk(office: Office) -> Desk:
    office.bring(rows(range(3), ("blue_ocean", "quant_signals")))
    return Desk(office)


def test_a_row_is_approved_or_rejected_until_it_is_undone(desk: Desk) -> None:
    before = desk.rows()
    first, second = desk.next(limit=2)
    assert desk.decide(first) == {"approved": True, "edited": None, "responses": 1}
    assert desk.decide(second, "reject", note=REASON, industry="bakery")["approved"] is False
    decided = {row[0]: row[1:5] for row in desk.rows() if row[1] is not None}
    assert decided[first][:3] == (True, "approved in a review, without a note", "ada")
    assert decided[second] == (False, REASON, "ada", "bakery")
    assert [row[0] for row in desk.office.rows("SELECT id FROM stages_examples")] == [first]
    assert not {first, second} & set(desk.next("bo"))
    desk.undo(second)
    assert desk.undo(first) == {"approved": None, "edited": None, "responses": 0}
    assert desk.rows() == before
    assert desk.next(limit=2) == [first, second]


def test_an_edit_makes_a_row_of_its_own_and_an_undo_takes_both_back(desk: Desk) -> None:
    before = desk.rows()
    item = desk.next()[0]
    said: JsonObject = {"note": REASON, "output": desk.edited(item), "industry": "bakery"}
    came_to = desk.decide(item, **said)
    assert (came_to["approved"], came_to["responses"]) == (False, 1)
    found = {row[0]: row[1:] for row in desk.rows()}
    assert len(found) == len(before) + 1
    assert found[item][:3] == (False, f"an edited row took its place: {REASON}", "ada")
    assert found[came_to["edited"]] == (True, REASON, "ada", "bakery", item, said["output"])
    assert [row[0] for row in desk.office.rows("SELECT id FROM stages_examples")] == [came_to["edited"]]
    assert not {item, came_to["edited"]} & set(desk.next("bo"))
    again = desk.decide(item, **said | {"output": desk.edited(item, "Rewritten again.")})
    assert came_to["edited"] not in {row[0] for row in desk.rows()}, "what took its place made it go"
    assert desk.undo(item)["edited"] == came_to["edited"]
    assert again["edited"] not in {row[0] for row in desk.rows()}
    desk.undo(item)
    assert desk.rows() == before


def test_an_edit_to_what_another_row_says(desk: Desk, office: Office) -> None:
    first = desk.next()[0]
    output = desk.edited(first)
    twin = office.bring([{"input": desk.show(first)["input"], "output": output, "industry": "law", "business": "one"}])
    assert twin["new"] == 1
    before = desk.rows()
    came_to = desk.decide(first, output=output, note=REASON)
    assert {row[0]: row[1] for row in desk.rows()}[came_to["edited"]] is True
    with pytest.raises(ConflictError, match="decided on this row already"):
        desk.decide(came_to["edited"], "reject", "bo", note="Bo says no.")
    desk.undo(first)
    assert desk.rows() == before, "a row that was there before stays, and waits again"
    desk.decide(came_to["edited"], "reject", "bo", note="Bo says no.")
    with pytest.raises(ConflictError, match="another row says exactly this"):
        desk.decide(first, output=output, note=REASON)
    assert desk.decide(first, output=desk.show(first)["output"])["edited"] is None, "nothing was rewritten"


def test_what_a_file_decided_is_not_overwritten(desk: Desk, office: Office) -> None:
    first, second = desk.next(limit=2)
    desk.decide(first)
    office.run("approve", ids=[first], decision="reject", note="On second thought.")
    office.run("approve", ids=[second], note=REASON)
    decided = desk.rows()
    for item in (first, second):
        with pytest.raises(ConflictError, match="decided on this row already"):
            desk.decide(item, "reject", note=REASON)
    desk.undo(first)
    assert desk.rows() == decided


def test_who_comes_second_is_told(desk: Desk) -> None:
    item = desk.next()[0]
    desk.decide(item)
    before = desk.rows()
    with pytest.raises(ConflictError) as refused:
        desk.decide(item, "reject", "bo", note=REASON)
    assert refused.value.instance_code == "already-decided"
    assert desk.rows() == before


def test_the_least_sure_answers_come_first(desk: Desk, office: Office) -> None:
    sure, *others, unsure = desk.next()
    said = dict.fromkeys(others, "medium") | {sure: "high", unsure: "low"}
    for item, word in said.items():
        change = f'{{"confidence": "{word}"}}'
        office.change("UPDATE stage_rows SET output = output || %s::jsonb WHERE id = %s", change, item)
    found = desk.next()
    assert (found[0], found[-1]) == (unsure, sure)
    with office.database.reading() as conn:
        assert REVIEW.count
        assert (REVIEW.count(conn, 4), REVIEW.count(conn, 10_000)) == (4, 6)
        assert set(REVIEW.open_among(conn, [sure, "ex_" + "0" * 32])) == {sure}


def test_items_are_blind(desk: Desk, office: Office) -> None:
    item = desk.next()[0]
    office.change("UPDATE stage_rows SET answered_by = 'rules', pack = 'pack-7' WHERE id = %s", item)
    content = desk.show(item)
    assert set(content) == {"stage", "industry", "business", "contracts", "input", "output"}
    assert "rules" not in str(content)
    with office.database.reading() as conn:
        revealed = REVIEW.reveal(conn, item)
    assert (revealed["answered_by"], revealed["pack"], revealed["same_as_rules"]) == ("rules", "pack-7", True)


def test_rules_are_the_same_while_typing_and_at_the_end(desk: Desk) -> None:
    item = next(item for item in desk.next() if desk.show(item)["stage"] == "quant_signals")
    output = desk.show(item)["output"]
    signal = output["signals"][0]
    cases: tuple[tuple[JsonObject, str, str], ...] = (
        ({"decision": "reject"}, "note", "is missing: say why"),
        ({"output": desk.edited(item)}, "note", "is missing: say why"),
        ({"note": f"ask {PERSON}"}, "note", "has what looks like an e-mail address or a phone number"),
        ({"industry": "Auto Repair"}, "industry", "is no tag of small letters, digits and hyphens, as auto-repair"),
        ({"note": REASON, "output": desk.edited(item, "Watch the KPI.")},
         "output.summary", "has the forbidden term “kpi”"),
        ({"note": REASON, "output": output | {"summary": f"Ask {PERSON}"}},
         "output.summary", "has what looks like an e-mail address or a phone number"),
        ({"note": REASON, "output": output | {"signals": [signal | {"evidence": ["money.made_up=1"]}]}},
         "output.signals.0.evidence.0", "is no entry that the input has"),
        ({"note": REASON, "output": output | {PERSON: 1}}, "output", "has a field that the contract does not have"),
        ({"note": REASON, "output": {**output, "confidence": PERSON}},
         "output.confidence", "is wrong: input should be 'low', 'medium' or 'high'"),
        ({"decision": "reject", "note": REASON, "output": desk.edited(item)},
         "output", "was rewritten: approve it, or leave it as it was"),
    )  # fmt: skip
    for said, field, message in cases:
        assert desk.faults(item, {"decision": "approve", **said}) == [(field, message)], said
        with pytest.raises(InvalidInputError) as refused:
            desk.decide(item, **{"decision": "approve", **said})
        assert PERSON not in str(refused.value.details)
        assert message in refused.value.message
    assert desk.rows() == [row for row in desk.rows() if row[1] is None]


def test_what_is_being_written_may_have_any_shape(desk: Desk) -> None:
    item = desk.next()[0]
    assert desk.faults(item, {}) == []
    odd = {"decision": ["x"], "note": 5, "output": [PERSON], "industry": {"a": 1}}
    assert {field for field, _ in desk.faults(item, odd)} == {"industry"}
    wrongs: tuple[JsonObject, ...] = (
        {"decision": "maybe"},
        {"note": 5},
        {"output": [PERSON]},
        {"surprise": 1},
        {"note": "a\x00"},
    )
    for wrong in wrongs:
        with pytest.raises(InvalidInputError) as refused:
            desk.decide(item, **{"decision": "approve", **wrong})
        assert PERSON not in refused.value.message
    with pytest.raises(NotFoundError):
        desk.decide("ex_" + "0" * 32)


def test_a_row_of_an_old_contract_can_be_rejected_only(desk: Desk, office: Office) -> None:
    item = desk.next()[0]
    office.change('UPDATE stage_rows SET input = input || \'{"schema_version": "old"}\' WHERE id = %s', item)
    assert desk.faults(item, {"decision": "approve"}) == [("", "has an input of a contract that is no more: reject it")]
    desk.decide(item, "reject", note=REASON)


def test_hostile_texts_are_texts(desk: Desk) -> None:
    texts = ("<script>alert(1)</script>", "'; DROP TABLE stage_rows; --", "{{ 7 * 7 }}")
    for item, text in zip(desk.next(), texts, strict=False):
        edited = desk.decide(item, output=desk.edited(item, text), note=text)["edited"]
        assert desk.show(edited)["output"]["summary"] == text


def test_every_stage_can_be_rewritten_as_it_is_shown(office: Office) -> None:
    office.bring(rows([7], STAGES))
    desk = Desk(office)
    items = desk.next()
    assert len({desk.show(item)["stage"] for item in items}) == len(STAGES)
    for item in items:
        assert desk.decide(item, output=desk.show(item)["output"])["edited"] is None
