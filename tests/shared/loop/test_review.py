"""What people decide, whatever the pipeline: undo, say it twice, two at one item, a queue for another's answers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.db.pool import Database
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.loop import review, review_progress
from shared.loop.review_progress import progress, waiting_count
from tests.support.essays import ADA, BOB, CLEO, PIPELINE, Office
from tests.support.waiting import wait_until


@pytest.fixture
def office(database: Database) -> Office:
    return Office(database)


def _refused(code: str, action: Callable[[], object]) -> None:
    with pytest.raises(ConflictError) as refused:
        action()
    assert refused.value.instance_code == code
    assert refused.value.advice


# --- undo -------------------------------------------------------------------------------------------------------------


def test_undo_brings_back_what_was_replaced_one_by_one(office: Office) -> None:
    (essay,) = office.open(1.0)
    first, second, third = (office.decide(essay, ADA, grade) for grade in ("good", "bad", "good"))
    assert office.undo(essay, ADA) == (third, {"said": [[ADA, "bad"]]}, second)
    assert office.undo(essay, ADA).restored == first
    assert office.came_to(essay) == [[ADA, "good"]]
    assert office.next(ADA) == [], "what was decided before is decided"
    assert office.undo(essay, ADA) == (first, {"said": []}, None)
    assert office.next(ADA) == [essay]
    _refused("nothing-to-undo", lambda: office.undo(essay, ADA))
    fourth = office.decide(essay, ADA)
    assert office.undo(essay, ADA) == (fourth, {"said": []}, None), "what was undone is not brought back"


def test_an_undo_that_is_sent_twice_takes_back_one_decision(office: Office) -> None:
    (essay,) = office.open(1.0)
    office.decide(essay, ADA, "good")
    second = office.decide(essay, ADA, "bad")
    office.undo(essay, ADA, response_id=second)
    _refused("nothing-to-undo", lambda: office.undo(essay, ADA, response_id=second))
    assert office.came_to(essay) == [[ADA, "good"]]


def test_the_same_said_again_changes_nothing(office: Office) -> None:
    (essay,) = office.open(1.0)
    first = office.decide(essay, ADA, "good", note="Fine.")
    assert office.decide(essay, ADA, "good", note="Fine.") == first
    assert office.decide(essay, ADA, "good") != first, "the note is gone"
    with office.database.transaction() as conn:
        assert review.reveal(conn, PIPELINE, "grades", essay, reviewer=ADA) == {"doubt": 1.0}
    office.decide(essay, ADA, "good")
    found = office.rows("SELECT note, blind, retracted_at IS NULL FROM review_responses ORDER BY at")
    assert found == [("Fine.", True, False), (None, True, False), (None, False, True)]


@pytest.mark.parametrize("text", ["null \x00", "half \ud800"])
def test_what_no_column_takes_is_refused_before_it_gets_there(office: Office, text: str) -> None:
    (essay,) = office.open(1.0)
    told: list[dict[str, Any]] = [{"why": text}, {text: "good"}, {"note": text}, {"note": "x" * 501}]
    for said in told:
        with office.database.transaction() as conn, pytest.raises(InvalidInputError):
            review.decide(
                conn, PIPELINE, "grades", essay,
                reviewer=ADA, note=said.pop("note", None), decision={"grade": "good", **said},
            )  # fmt: skip
    assert office.decide(essay, ADA, note="a backslash, \\u0000")


# --- two people -------------------------------------------------------------------------------------------------------


def test_where_one_answer_is_the_truth_the_second_person_is_told(office: Office) -> None:
    (essay,) = office.open(1.0)
    office.decide(essay, ADA, "good")
    _refused("already-decided", lambda: office.decide(essay, BOB, "bad"))
    assert office.next(BOB) == []
    assert office.came_to(essay) == [[ADA, "good"]]
    office.decide(essay, ADA, "bad")
    assert office.came_to(essay) == [[ADA, "bad"]], "one's own may be changed"
    office.undo(essay, ADA)
    office.undo(essay, ADA)
    office.decide(essay, BOB, "bad")
    assert office.came_to(essay) == [[BOB, "bad"]]


def test_where_people_vote_all_are_heard_and_enough_are_asked(office: Office) -> None:
    (essay,) = office.open(1.0)
    office.decide(essay, ADA, "good", "votes")
    assert (office.next(ADA, "votes"), office.next(BOB, "votes")) == ([], [essay])
    office.decide(essay, BOB, "bad", "votes")
    assert office.next(CLEO, "votes") == []
    office.decide(essay, CLEO, "bad", "votes")  # had it on the screen
    assert [person for person, _ in office.came_to(essay)] == [ADA, BOB, CLEO]
    assert office.next(CLEO) == [essay], "another kind, another queue"


@pytest.mark.parametrize("first_one_dies", [False, True])
def test_two_people_at_the_same_moment_never_overwrite_each_other(office: Office, first_one_dies: bool) -> None:
    (essay,) = office.open(1.0)
    with ThreadPoolExecutor(1) as pool:
        with office.database.transaction() as conn:
            review.decide(conn, PIPELINE, "grades", essay, reviewer=ADA, decision={"grade": "good"})
            other = pool.submit(office.decide, essay, BOB, "bad")
            wait_until(office.waits_for_a_lock)
            if first_one_dies:
                conn.rollback()
        if first_one_dies:
            assert other.result(10)
        else:
            _refused("already-decided", lambda: other.result(10))
    assert office.came_to(essay) == [[BOB, "bad"] if first_one_dies else [ADA, "good"]]
    assert len(office.rows("SELECT FROM review_responses")) == 1


# --- a queue whose answers are another kind's -------------------------------------------------------------------------


def test_a_second_queue_stores_answers_of_the_first_kind(office: Office) -> None:
    (essay,) = office.open(1.0)
    office.decide(essay, ADA, "good")
    office.change("UPDATE essays SET appealed = true")
    assert (office.next(ADA, "appeals"), office.next(BOB, "appeals")) == ([], [essay])
    response = office.decide(essay, BOB, "bad", "appeals")
    assert office.came_to(essay) == [[ADA, "good"], [BOB, "bad"]], "the first kind's truth is derived"
    assert office.rows("SELECT kind, queue FROM review_responses ORDER BY at") == [
        ("grades", "grades"), ("grades", "appeals"),
    ]  # fmt: skip
    _refused("already-decided", lambda: office.decide(essay, CLEO, "bad", "appeals"))
    assert office.undo(essay, BOB, "appeals").response_id == response
    assert office.came_to(essay) == [[ADA, "good"]]


# --- faults, progress -------------------------------------------------------------------------------------------------


def test_faults_are_told_while_a_decision_is_written_and_quote_nothing(office: Office) -> None:
    (essay,) = office.open(1.0)

    def faults(decision: dict[str, object]) -> list[tuple[str, str]]:
        with office.database.reading() as conn:
            found = review.faults(conn, PIPELINE, "grades", essay, decision)
        return [(fault.field, fault.message) for fault in found]

    assert faults({"grade": "good"}) == []
    assert [field for field, _ in faults({})] == ["grade"]
    assert faults({"grade": "good", "why": "\x00"}) == [("why", "It has a character that is no text.")]
    wrong = faults({"grade": "Wilhelmina", "why": "stupid Wilhelmina, " * 3, "Wilhelmina": 1})
    assert [field for field, _ in wrong] == ["grade", "why", "", "why"]
    assert "Wilhelmina" not in str(wrong)
    with office.database.reading() as conn, pytest.raises(NotFoundError):
        review.faults(conn, PIPELINE, "grades", f"es_{'0' * 32}", {"grade": "good"})
    assert office.rows("SELECT FROM review_responses") == []


def test_nobody_counts_all_that_waits(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    essays = office.open(*range(4))
    monkeypatch.setattr(review_progress, "COUNTED_AT_MOST", 3)

    def waiting() -> tuple[int, bool]:
        with office.database.reading() as conn:
            found = review_progress.progress(conn, PIPELINE, "grades", reviewer=ADA)
        return found.waiting, found.waiting_is_capped

    assert waiting() == (3, True)
    office.decide(essays[0], ADA)
    assert waiting() == (3, False)


def test_progress_is_a_persons_own_and_the_pace_that_of_the_last_hour(office: Office) -> None:
    essays = office.open(*range(6))

    def mine(by: str) -> tuple[int, int, float | None, int]:
        with office.database.reading() as conn:
            found = progress(conn, PIPELINE, "votes", reviewer=by)
        assert found.waiting_is_capped is False
        return found.mine_today, found.mine_total, found.per_hour, found.waiting

    assert mine(ADA) == (0, 0, None, 6)
    for minutes, essay in zip((50, 40, 30, 20, 24 * 60 + 1), essays[:5], strict=True):
        response = office.decide(essay, ADA, kind="votes")
        ago = f"now() - interval '{minutes} minutes'"
        office.change(f"UPDATE review_responses SET at = {ago} WHERE id = %s", response)
    office.decide(essays[0], BOB, kind="votes")
    today, total, pace, waiting = mine(ADA)
    assert (total, pace, waiting) == (5, 6.0, 5)
    assert today <= 4  # all four, unless midnight was just now
    office.undo(essays[0], ADA, "votes")
    assert mine(ADA)[1:] == (4, 6.0, 6)
    with office.database.reading() as conn:
        assert waiting_count(conn, PIPELINE, "votes", cap=3) == 3
        assert waiting_count(conn, PIPELINE, "appeals") == 0, "a queue that does not count is walked"
