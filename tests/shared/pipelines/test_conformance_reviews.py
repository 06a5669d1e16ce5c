"""One suite over all that people are asked: each review keeps the promises that the loop and the pages build on."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest

from shared.contracts import Contract, JsonObject
from shared.db.pool import Database
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.loop import review as loop
from shared.loop import review_work
from shared.loop.review_progress import progress, waiting_count
from shared.pipeline import Pipeline
from shared.registry import pipelines
from shared.review import Item, Review
from tests.support import full_queues
from tests.support.conformance import Case

ADA, BOB = "Ada", "Bob"
_ALL = [(name, review.kind) for name, pipeline in sorted(pipelines().items()) for review in pipeline.reviews]

each_review = pytest.mark.parametrize(("name", "kind"), _ALL)


def _review(name: str, kind: str) -> tuple[Pipeline[Any, Any], Review]:
    pipeline = pipelines()[name]
    return pipeline, loop.review_of(pipeline, kind)


def _case(name: str) -> Case:
    case: Case = import_module(f"tests.shared.pipelines.{name}.conformance").CASE
    return case


def _unknown(name: str, kind: str) -> tuple[str, JsonObject]:
    """Return an id that no item has, and a decision."""
    prefix, decision = _case(name).reviews[kind]
    return f"{prefix}_{'0' * 32}", decision


@pytest.mark.parametrize("name", sorted(pipelines()))
def test_its_kinds_are_those_of_its_case(name: str) -> None:
    kinds = [review.kind for review in pipelines()[name].reviews]
    assert len(set(kinds)) == len(kinds)
    assert set(kinds) == set(_case(name).reviews)


@each_review
def test_it_explains_itself(name: str, kind: str) -> None:
    _, review = _review(name, kind)
    assert re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", kind)
    assert review.summary.endswith(".")
    assert issubclass(review.decision, Contract), "unknown fields are refused"
    assert (review.decision.__doc__ or "").endswith(".")
    assert review.min_responses() >= 1


@each_review
def test_a_second_queue_is_of_the_same_items_and_decisions(name: str, kind: str) -> None:
    pipeline, review = _review(name, kind)
    stored = loop.review_of(pipeline, review.stored_kind)
    assert stored.answers == ""
    assert stored.decision is review.decision
    if review.answers:
        assert stored is not review
        default = inspect.signature(Review).parameters["open_among"].default
        assert review.open_among is not default, "it must tell its own items from the others"


@each_review
def test_where_nothing_waits_nothing_is_served_counted_or_known(name: str, kind: str, database: Database) -> None:
    pipeline, review = _review(name, kind)
    item, decision = _unknown(name, kind)
    assert review.count is not None, "a page must not walk all that waits"
    with database.reading() as conn:
        assert list(loop.next_items(conn, pipeline, kind, reviewer=ADA, limit=5)) == []
        assert waiting_count(conn, pipeline, kind) == 0
        assert progress(conn, pipeline, kind, reviewer=ADA).per_hour is None
        assert list(review.open_among(conn, [item])) == []
        for unknown in (
            lambda: review.show(conn, item),
            lambda: review.reveal(conn, item),
            lambda: loop.faults(conn, pipeline, kind, item, {}),
        ):
            with pytest.raises(NotFoundError):
                unknown()
    with database.transaction() as conn:
        for refused in (
            lambda: loop.decide(conn, pipeline, kind, item, reviewer=ADA, decision=decision),
            lambda: review_work.skip(conn, pipeline, kind, item, reviewer=ADA),
            lambda: review_work.rework(conn, pipeline, kind, item, reviewer=ADA, reason="Gone."),
            lambda: review_work.assign(conn, pipeline, kind, item, reviewer=ADA, by=ADA, admin=False),
        ):
            with pytest.raises(NotFoundError):
                refused()


@each_review
def test_what_breaks_the_contract_is_refused_and_not_quoted(name: str, kind: str, database: Database) -> None:
    pipeline, _ = _review(name, kind)
    item, _ = _unknown(name, kind)
    with database.transaction() as conn, pytest.raises(InvalidInputError) as refused:
        loop.decide(conn, pipeline, kind, item, reviewer=ADA, decision={"canary": "canary"})
    assert "canary" not in str(refused.value.as_dict())


# --- with items that wait ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counter:
    """A kind's queue, and two people before it."""

    database: Database
    pipeline: Pipeline[Any, Any]
    review: Review
    decision: JsonObject

    def next(self, by: str, limit: int = 50) -> list[Item]:
        with self.database.reading() as conn:
            return list(loop.next_items(conn, self.pipeline, self.review.kind, reviewer=by, limit=limit))

    def ids(self, by: str, limit: int = 50) -> list[str]:
        return [item.id for item in self.next(by, limit)]

    def do(self, what: Callable[..., Any], item: str, **told: Any) -> Any:
        with self.database.transaction() as conn:
            return what(conn, self.pipeline, self.review.kind, item, **told)

    def decide(self, item: str, by: str) -> Any:
        return self.do(loop.decide, item, reviewer=by, decision=self.decision)

    def waiting(self) -> int:
        with self.database.reading() as conn:
            return waiting_count(conn, self.pipeline, self.review.kind)


@pytest.fixture
def counter(name: str, kind: str, database: Database) -> Counter:
    with database.statement() as conn:
        full_queues.fill(conn, name, kind, 1, 6)
    pipeline, review = _review(name, kind)
    return Counter(database, pipeline, review, _unknown(name, kind)[1])


@each_review
def test_items_are_handed_out_blind_and_in_one_order(counter: Counter) -> None:
    items = counter.next(ADA)
    assert len({item.id for item in items}) == counter.waiting() == 6
    assert counter.next(ADA, 2) == items[:2]
    assert counter.ids(BOB) == [item.id for item in items]
    scores = counter.do(loop.reveal, items[0].id, reviewer=ADA)
    assert scores
    assert not scores.keys() & items[0].content.keys()
    with counter.database.reading() as conn:
        assert counter.review.show(conn, items[0].id) == items[0]
        ids = [item.id for item in items]
        assert set(counter.review.open_among(conn, ids)) == set(ids)


@each_review
def test_a_skip_is_ones_own_and_a_rework_everybodys(counter: Counter) -> None:
    first, second, *rest = before = counter.ids(ADA)
    counter.do(review_work.skip, first, reviewer=ADA)
    assert (counter.ids(ADA), counter.ids(BOB)) == ([second, *rest], before)
    counter.do(review_work.rework, second, reviewer=BOB, reason="It is cut off.")
    assert (counter.ids(ADA), counter.ids(BOB)) == (rest, [first, *rest])
    assert counter.waiting() == 5
    with pytest.raises(ConflictError, match="needs rework"):
        counter.decide(second, ADA)
    for item in rest:
        counter.do(review_work.skip, item, reviewer=ADA)
    assert counter.ids(ADA) == [first, *rest], "nothing else waits"
    counter.do(review_work.put_back, second, by=ADA)
    assert counter.ids(ADA) == [second]
    assert counter.ids(BOB) == before


@each_review
def test_what_is_assigned_is_one_persons(counter: Counter) -> None:
    *rest, last = before = counter.ids(ADA)
    counter.do(review_work.assign, last, reviewer=BOB, by=BOB, admin=False)
    assert (counter.ids(ADA), counter.ids(BOB)) == (rest, [last, *rest])
    counter.do(review_work.release, last, by=BOB, admin=False)
    assert counter.ids(ADA) == counter.ids(BOB) == before


@each_review
def test_an_undo_leaves_all_as_it_was_before(counter: Counter) -> None:
    first, *rest = before = counter.ids(ADA)
    response, came_to = counter.decide(first, ADA)
    assert counter.decide(first, ADA) == (response, came_to), "said twice, it is said once"
    assert counter.ids(ADA) == rest
    if counter.review.min_responses() == 1 or counter.review.answers:
        assert (counter.ids(BOB), counter.waiting()) == (rest, 5)
        with counter.database.reading() as conn:
            assert first not in counter.review.open_among(conn, [first])
    counter.do(loop.undo, first, reviewer=ADA, by=ADA)
    assert (counter.ids(ADA), counter.ids(BOB), counter.waiting()) == (before, before, 6)
    counter.decide(first, BOB)
    assert counter.ids(BOB) == rest, "whoever is next may decide"


@each_review
def test_where_one_answer_is_the_truth_it_is_the_first_persons(counter: Counter) -> None:
    first = counter.ids(ADA)[0]
    counter.decide(first, ADA)
    if not counter.review.one_truth:
        counter.decide(first, BOB)
        return
    with pytest.raises(ConflictError) as refused:
        counter.decide(first, BOB)
    assert refused.value.instance_code == "already-decided"
