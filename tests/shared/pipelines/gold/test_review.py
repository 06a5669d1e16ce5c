"""People conclude from snapshots one by one: blind, by the rules of drafts.json, and an undo leaves nothing behind."""

from pathlib import Path
from typing import Any

import pytest

from shared.contracts import JsonObject
from shared.db import gold as db
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.ids import PREDICTION, new_id
from shared.loop import review
from shared.pipelines.gold import PIPELINE
from shared.pipelines.gold.policy import policy
from shared.pipelines.gold.review import CONCLUSIONS
from tests.shared.pipelines.gold.firm import Gold

(REVIEW,) = PIPELINE.reviews
SAID = {
    "decision": "Call  every client who owes money.",
    "boundary": "Call nobody twice in a week.",
    "why_this_now": "It is late.",
    "confidence": "high",
}
HOSTILE = ("<script>alert(1)</script>", "'; DROP TABLE ml.gold; --", "{{ 7 * 7 }}", "\u202egnihton")


class Desk:
    """A person's desk: gold's queue through the loop."""

    def __init__(self, gold: Gold) -> None:
        self.gold = gold

    def next(self, reviewer: str = "ada", limit: int = 3) -> list[str]:
        with self.gold.database.reading() as conn:
            return [item.id for item in review.next_items(conn, PIPELINE, CONCLUSIONS, reviewer=reviewer, limit=limit)]

    def decide(self, item: str, reviewer: str = "ada", **changes: Any) -> JsonObject:
        with self.gold.database.transaction() as conn:
            decision = {name: value for name, value in (SAID | changes).items() if value is not None}
            return review.decide(conn, PIPELINE, CONCLUSIONS, item, reviewer=reviewer, decision=decision)[1]

    def undo(self, item: str, reviewer: str = "ada") -> JsonObject:
        with self.gold.database.transaction() as conn:
            return review.undo(conn, PIPELINE, CONCLUSIONS, item, reviewer=reviewer, by=reviewer)[1]

    def show(self, item: str) -> JsonObject:
        with self.gold.database.reading() as conn:
            return REVIEW.show(conn, item).content

    def reveal(self, item: str) -> JsonObject:
        with self.gold.database.reading() as conn:
            return REVIEW.reveal(conn, item)

    def faults(self, item: str, decision: JsonObject) -> list[tuple[str, str]]:
        assert REVIEW.faults is not None
        with self.gold.database.reading() as conn:
            return [(fault.field, fault.message) for fault in REVIEW.faults(conn, item, decision)]

    def row(self, item: str) -> list[tuple[Any, ...]]:
        """Return the stored conclusion as it is, but for what ties it to a response."""
        return self.gold.rows(
            "SELECT decision, boundary, confidence, evidence, origin, status, labelled_by, labelled_at, approved_by,"
            " approved_at FROM ml.gold WHERE example_id = %s",
            item,
        )


@pytest.fixture
def desk(gold: Gold) -> Desk:
    gold.reseed()
    return Desk(gold)


def test_what_a_person_says_is_the_conclusion_until_it_is_undone(desk: Desk) -> None:
    item = desk.next()[0]
    assert desk.decide(item) == {"responses": 1, "origin": "human", "status": "approved"}
    ((decision, _, confidence, evidence, *_, by, at),) = desk.row(item)
    assert (decision, confidence, by) == ("Call every client who owes money.", "high", "ada")
    assert evidence == desk.show(item)["suggested_evidence"]
    assert item not in desk.next() + desk.next("bo")
    assert [label["at"] for label in _examples(desk, item)] == [at]
    desk.decide(item, decision="Another one.", evidence=desk.show(item)["evidence"][:1])
    assert desk.row(item)[0][0] == "Another one."
    desk.undo(item)
    assert desk.row(item)[0][0] == "Call every client who owes money."
    desk.undo(item)
    assert desk.row(item) == []
    assert desk.next()[0] == item


def _examples(desk: Desk, item: str) -> list[dict[str, Any]]:
    return [{"label": label, "at": at} for label, at in desk.gold.rows(
        "SELECT label, at FROM gold_examples WHERE id = %s", item)]  # fmt: skip


def test_an_undo_brings_back_the_machines_draft(desk: Desk) -> None:
    desk.gold.run("autofill")
    item = desk.next()[0]
    before = desk.row(item)
    desk.decide(item)
    assert desk.row(item) != before
    assert desk.reveal(item)["conclusion"]["origin"] == "human"
    assert desk.undo(item) == {"responses": 0, "origin": "machine", "status": "draft"}
    assert desk.row(item) == before
    assert desk.gold.run("autofill")["changed"] == 0, "what the rules drafted is there again"


def test_what_a_file_brought_is_never_overwritten(desk: Desk, tmp_path: Path) -> None:
    first, second = desk.next(limit=2)
    drafts = desk.gold.answered(tmp_path)
    desk.decide(first)
    desk.gold.import_drafts([draft for draft in drafts if draft["id"] in {first, second}])
    imported = desk.row(first), desk.row(second)
    for item in (first, second):
        with pytest.raises(ConflictError, match="came in by a file"):
            desk.decide(item)
    desk.undo(first)
    assert (desk.row(first), desk.row(second)) == imported
    assert not {first, second} & set(desk.next(limit=1_000))


def test_the_doubtful_come_first_then_the_latest(desk: Desk) -> None:
    items = desk.next(limit=1_000)
    ends = [desk.show(item)["window"]["to"] for item in items]
    assert ends == sorted(ends, reverse=True)
    broke, low, medium, high = items[9], items[7], items[8], items[5]
    _answer(desk, {broke: "high", low: "low", medium: "medium", high: "high"}, broke=broke)
    assert desk.next(limit=5) == [broke, low, medium, high, items[0]]
    _answer(desk, {broke: "medium"})
    assert desk.next(limit=3) == [low, *sorted([broke, medium], key=items.index)]
    assert "faults" not in str(desk.show(broke))
    assert [answer["faults"] for answer in desk.reveal(broke)["answers"]] == [[], ["missing"]]
    with desk.gold.database.reading() as conn:
        assert REVIEW.count
        assert (REVIEW.count(conn, 7), REVIEW.count(conn, 10_000)) == (7, len(items))
        assert set(REVIEW.open_among(conn, [broke, "ex_" + "0" * 32])) == {broke}


def _answer(desk: Desk, said: dict[str, str], *, broke: str = "") -> None:
    rows = [
        db.AnswerRow(
            id=new_id(PREDICTION), source="smoke", prediction_id=None, example_id=item, snapshot=desk.show(item),
            model_id=None, model="m", first_text="", answer={"confidence": confidence}, path="model", job_id=None,
            faults=[{"rule": "missing", "message": "decision is missing"}] if item == broke else [],
        )
        for item, confidence in said.items()
    ]  # fmt: skip
    for row in rows:
        with desk.gold.database.transaction() as conn:
            db.put_answers(conn, [row])


def test_items_are_blind(desk: Desk) -> None:
    desk.gold.run("autofill")
    item = desk.next()[0]
    content = desk.show(item)
    assert set(content) == {"window", "signals", "evidence", "suggested_evidence"}
    assert set(content["suggested_evidence"]) <= set(content["evidence"])
    revealed = desk.reveal(item)
    assert revealed["rules"]["decision"] not in str(content)
    assert revealed["conclusion"]["origin"] == "machine"


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"decision": ""}, "decision", "decision is missing"),
        ({"boundary": " "}, "boundary", "boundary is missing"),
        ({"decision": "Watch the KPI."}, "decision", "decision has the forbidden term “kpi”"),
        ({"boundary": "1. Call. 2. Write."}, "boundary", "boundary is a list; name one boundary"),
        ({"why_this_now": "a\nb"}, "why_this_now", "why_this_now has several lines; write one sentence"),
        ({"one_sentence_pattern": "a" * 501}, "one_sentence_pattern",
         "one_sentence_pattern has 501 characters; 500 is the most"),
        ({"evidence": ["signals.made.up=1"]}, "evidence", "1 of the evidence entries do not match the snapshot"),
    ],
)  # fmt: skip
def test_rules_are_the_same_while_typing_and_at_the_end(
    desk: Desk, change: JsonObject, field: str, message: str
) -> None:
    item = desk.next()[0]
    assert desk.faults(item, SAID | change) == [(field, message)]
    with pytest.raises(InvalidInputError, match="breaks a rule") as refused:
        desk.decide(item, **change)
    assert refused.value.details["faults"] == [{"field": field, "message": message}]
    assert desk.row(item) == []


def test_what_is_being_written_may_have_any_shape(desk: Desk) -> None:
    item = desk.next()[0]
    assert desk.faults(item, SAID) == []
    assert {field for field, _ in desk.faults(item, {})} == {"decision", "boundary"}
    odd = {"decision": 5, "boundary": ["x"], "evidence": {"a": 1}, "confidence": "mail wilhelmina@canary.example"}
    faults = desk.faults(item, odd)
    assert {field for field, _ in faults} == {"decision", "boundary", "evidence"}
    assert "canary" not in str(faults)
    for wrong in (odd, {"confidence": "sure"}, {"decision": None}, {"decision": "Bad\x00"}):
        with pytest.raises(InvalidInputError) as refused:
            desk.decide(item, **wrong)
        assert "canary" not in refused.value.message
    with pytest.raises(NotFoundError):
        desk.decide("ex_" + "0" * 32)


def test_hostile_texts_are_texts(desk: Desk) -> None:
    for item, text in zip(desk.next(limit=4), HOSTILE, strict=True):
        desk.decide(item, decision=text)
        assert desk.row(item)[0][0] == text


def test_who_comes_second_is_told(desk: Desk) -> None:
    item = desk.next()[0]
    desk.decide(item)
    with pytest.raises(ConflictError) as refused:
        desk.decide(item, "bo", decision="Bo's own.")
    assert refused.value.instance_code == "already-decided"
    assert desk.row(item)[0][0] == "Call every client who owes money."


def test_two_may_have_to_respond_and_the_first_one_counts(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for = policy().review.model_copy(update={"min_responses": 2})
    changed = policy().model_copy(update={"review": asked_for})
    monkeypatch.setattr("shared.pipelines.gold.review.policy", lambda: changed)
    item = desk.next()[0]
    desk.decide(item)
    assert item not in desk.next()
    assert desk.next("bo")[0] == item
    desk.decide(item, "bo", decision="Bo's own.")
    assert item not in desk.next("cleo")
    assert desk.row(item)[0][0] == "Call every client who owes money."
    desk.undo(item)
    assert desk.row(item)[0][0] == "Bo's own."
    assert desk.next("cleo")[0] == item
