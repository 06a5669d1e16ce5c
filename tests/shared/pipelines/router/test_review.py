"""People label queries one by one, blind, the least sure first; where they contradict a sure answer, one more does."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.contracts import JsonObject
from shared.db.pool import Database
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.loop import review, review_work
from shared.loop.feedback import record_feedback
from shared.loop.review_progress import waiting_count
from shared.pipelines.router import PIPELINE
from shared.pipelines.router.review import DISAGREEMENTS, LABELS_KIND
from tests.support.waiting_items import put_answer

Answer = Callable[..., str]
TRUTH = "SELECT query_id, label, source, labelled_by FROM ml_data ORDER BY id"
BLIND = "SELECT blind FROM review_responses WHERE item_id = %s AND retracted_at IS NULL"


@pytest.fixture
def answer(database: Database) -> Answer:
    """Store a query as it was answered; returns its id."""

    def store(number: int, difficulty: str = "EASY", confidence: float = 0.9, path: str = "model") -> str:
        with database.transaction() as conn:
            return put_answer(conn, number, difficulty, confidence, path)

    return store


def _next(database: Database, kind: str, reviewer: str, limit: int = 10) -> list[str]:
    with database.reading() as conn:
        items = review.next_items(conn, PIPELINE, kind, reviewer=reviewer, limit=limit)
        assert all(set(item.content) == {"query"} for item in items)
        return [item.id for item in items]


def _decide(database: Database, kind: str, query_id: str, reviewer: str, **decision: Any) -> JsonObject:
    with database.transaction() as conn:
        return review.decide(conn, PIPELINE, kind, query_id, reviewer=reviewer, decision=decision)[1]


def _undo(database: Database, kind: str, query_id: str, reviewer: str) -> JsonObject:
    with database.transaction() as conn:
        return review.undo(conn, PIPELINE, kind, query_id, reviewer=reviewer, by=reviewer).came_to


def _reveal(database: Database, kind: str, query_id: str, reviewer: str) -> JsonObject:
    with database.transaction() as conn:
        return review.reveal(conn, PIPELINE, kind, query_id, reviewer=reviewer)


def _rows(database: Database, query: bytes | str, *values: Any) -> list[tuple[Any, ...]]:
    with database.reading() as conn:
        return conn.execute(query.encode() if isinstance(query, str) else query, values).fetchall()


def _counts(database: Database) -> tuple[int, int]:
    with database.reading() as conn:
        return waiting_count(conn, PIPELINE, LABELS_KIND), waiting_count(conn, PIPELINE, DISAGREEMENTS)


# --- labels ---------------------------------------------------------------------------------------------------------


def test_the_fallback_is_first_then_the_least_sure(database: Database, answer: Answer) -> None:
    sure, unsure = answer(1, "HARD", 0.95), answer(2, "UNCERTAIN", 0.41)
    nobody = answer(3, "UNCERTAIN", 0.0, "fallback")
    later = answer(4, "UNCERTAIN", 0.0, "fallback")
    assert _next(database, LABELS_KIND, "ada") == [later, nobody, unsure, sure]
    assert _counts(database) == (4, 0)


def test_a_label_is_the_truth_until_it_is_undone(database: Database, answer: Answer) -> None:
    one, other = answer(1, "EASY", 0.7), answer(2)
    told = _decide(database, LABELS_KIND, one, "ada", label="EASY")
    assert told == {
        "labelled": True, "predicted": "EASY", "confidence": pytest.approx(0.7),
        "told": "The router had said EASY, 70% sure.",
    }  # fmt: skip
    assert _rows(database, TRUTH) == [(one, "EASY", "feedback", "ada")]
    assert _next(database, LABELS_KIND, "bo") == [other]
    assert _undo(database, LABELS_KIND, one, "ada") == {"labelled": False}
    assert _rows(database, TRUTH) == []
    assert set(_next(database, LABELS_KIND, "bo")) == {one, other}


def test_the_second_person_of_two_overwrites_nothing(database: Database, answer: Answer) -> None:
    one = answer(1)
    _decide(database, LABELS_KIND, one, "ada", label="EASY")
    with pytest.raises(ConflictError) as refused:
        _decide(database, LABELS_KIND, one, "bo", label="HARD")
    assert refused.value.instance_code == "already-decided"
    _decide(database, LABELS_KIND, one, "ada", label="MEDIUM")
    assert _rows(database, TRUTH) == [(one, "MEDIUM", "feedback", "ada")]
    _undo(database, LABELS_KIND, one, "ada")
    assert _rows(database, TRUTH) == [(one, "EASY", "feedback", "ada")]


def test_feedback_takes_a_query_from_the_queue_and_is_not_overwritten_there(database: Database, answer: Answer) -> None:
    one = answer(1)
    with database.transaction() as conn:
        record_feedback(conn, one, "EASY", "app")
    assert _next(database, LABELS_KIND, "ada") == []
    with pytest.raises(ConflictError) as refused:
        _decide(database, LABELS_KIND, one, "ada", label="HARD")
    assert refused.value.instance_code == "already-decided"


def test_a_later_feedback_replaces_what_was_said_in_the_review(database: Database, answer: Answer) -> None:
    one = answer(1)
    _decide(database, LABELS_KIND, one, "ada", label="EASY")
    with database.transaction() as conn:
        record_feedback(conn, one, "HARD", "app")
    assert _rows(database, TRUTH) == [(one, "HARD", "feedback", "app")]
    _undo(database, LABELS_KIND, one, "ada")
    assert _rows(database, TRUTH) == [(one, "HARD", "feedback", "app")]


def test_correct_is_only_for_who_has_asked_to_see(database: Database, answer: Answer) -> None:
    one, unsure = answer(1, "HARD", 0.93), answer(2, "UNCERTAIN", 0.4)
    with pytest.raises(ConflictError) as refused:
        _decide(database, LABELS_KIND, one, "ada", correct=True)
    assert refused.value.instance_code == "not-revealed"
    assert _reveal(database, LABELS_KIND, one, "ada") == {
        "predicted": "HARD", "confidence": pytest.approx(0.93), "path": "model", "model_version": None,
    }  # fmt: skip
    _decide(database, LABELS_KIND, one, "ada", correct=True)
    assert _rows(database, TRUTH) == [(one, "HARD", "feedback", "ada")]
    assert _rows(database, BLIND, one) == [(False,)]
    with pytest.raises(InvalidInputError) as nothing:
        _decide(database, LABELS_KIND, unsure, "ada", correct=True)
    assert nothing.value.instance_code == "nothing-predicted"


def test_who_decided_before_knows_the_answer(database: Database, answer: Answer) -> None:
    one = answer(1)
    _decide(database, LABELS_KIND, one, "ada", label="EASY")
    _decide(database, LABELS_KIND, one, "ada", label="EASY")  # sent twice
    assert _rows(database, BLIND, one) == [(True,)]
    _undo(database, LABELS_KIND, one, "ada")
    _decide(database, LABELS_KIND, one, "ada", label="MEDIUM")
    assert _rows(database, BLIND, one) == [(False,)]


def test_what_is_no_decision_is_refused(database: Database, answer: Answer) -> None:
    one = answer(1)
    for bad in ({}, {"label": "easy"}, {"label": "EASY", "correct": True}, {"correct": False}, {"label": 1}):
        with pytest.raises(InvalidInputError):
            _decide(database, LABELS_KIND, one, "ada", **bad)
    with pytest.raises(NotFoundError):
        _decide(database, LABELS_KIND, f"pred_{9:032x}", "ada", label="EASY")


# --- disagreements --------------------------------------------------------------------------------------------------


def test_a_second_person_looks_where_a_sure_answer_is_contradicted(database: Database, answer: Answer) -> None:
    sure, surer, unsure, agreed = answer(1, "EASY", 0.85), answer(2, "HARD", 0.99), answer(3, "EASY", 0.7), answer(4)
    for query_id in (sure, surer, unsure):
        _decide(database, LABELS_KIND, query_id, "ada", label="MEDIUM")
    _decide(database, LABELS_KIND, agreed, "ada", label="EASY")
    assert _next(database, DISAGREEMENTS, "bo") == [surer, sure]
    assert _next(database, DISAGREEMENTS, "ada") == []
    assert _counts(database) == (0, 2)
    assert _reveal(database, DISAGREEMENTS, surer, "cy")["severity"] == pytest.approx(0.99)
    told = _decide(database, DISAGREEMENTS, surer, "bo", label="HARD")["told"]
    assert told == "The router had said HARD, 99% sure. The first label was MEDIUM."
    assert (surer, "HARD", "feedback", "bo") in _rows(database, TRUTH)
    assert _next(database, DISAGREEMENTS, "cy") == [sure]
    for kind, who in ((DISAGREEMENTS, "cy"), (LABELS_KIND, "ada")):
        with pytest.raises(ConflictError) as refused:
            _decide(database, kind, surer, who, label="EASY")
        assert refused.value.instance_code == "already-decided"
    assert "first label" not in _undo(database, DISAGREEMENTS, surer, "bo")["told"]
    assert (surer, "MEDIUM", "feedback", "ada") in _rows(database, TRUTH)
    assert _next(database, DISAGREEMENTS, "bo") == [surer, sure]


def test_feedback_is_contested_too_and_a_third_person_overwrites_nothing(database: Database, answer: Answer) -> None:
    one = answer(1, "EASY", 0.9)
    with pytest.raises(ConflictError) as refused:
        _decide(database, DISAGREEMENTS, one, "bo", label="HARD")
    assert refused.value.instance_code == "no-disagreement"
    with database.transaction() as conn:
        record_feedback(conn, one, "HARD", "app")
    assert _next(database, DISAGREEMENTS, "app") == []
    assert _next(database, DISAGREEMENTS, "bo") == [one]
    _decide(database, DISAGREEMENTS, one, "bo", label="HARD")
    with pytest.raises(ConflictError):
        _decide(database, DISAGREEMENTS, one, "cy", label="EASY")
    _decide(database, DISAGREEMENTS, one, "bo", label="MEDIUM")
    assert _rows(database, TRUTH) == [(one, "MEDIUM", "feedback", "bo")]
    _undo(database, DISAGREEMENTS, one, "bo")
    _undo(database, DISAGREEMENTS, one, "bo")
    assert _rows(database, TRUTH) == [(one, "HARD", "feedback", "app")]


def test_skipped_assigned_and_reworked_queries(database: Database, answer: Answer) -> None:
    ids = [answer(number, "EASY", 0.8 + number / 100) for number in range(4)]
    for query_id in ids:
        _decide(database, LABELS_KIND, query_id, "ada", label="HARD")
    worst_first = ids[::-1]
    assert _next(database, DISAGREEMENTS, "bo") == worst_first
    with database.transaction() as conn:
        review_work.skip(conn, PIPELINE, DISAGREEMENTS, ids[3], reviewer="bo")
        review_work.rework(conn, PIPELINE, DISAGREEMENTS, ids[2], reviewer="bo", reason="no question at all")
    assert _next(database, DISAGREEMENTS, "bo") == [ids[1], ids[0]]
    assert _next(database, DISAGREEMENTS, "cy") == [ids[3], ids[1], ids[0]]
    assert _counts(database) == (0, 3)
