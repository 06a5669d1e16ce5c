"""One suite over all that people are asked: each review keeps the promises that the loop and the pages build on."""

import inspect
import re
from importlib import import_module
from typing import Any

import pytest

from shared.contracts import Contract, JsonObject
from shared.db.pool import Database
from shared.errors import InvalidInputError, NotFoundError
from shared.loop import review as loop
from shared.loop import review_work
from shared.loop.review_progress import progress, waiting_count
from shared.pipeline import Pipeline
from shared.registry import pipelines
from shared.review import Review
from tests.support.conformance import Case

_ALL = [(name, review.kind) for name, pipeline in sorted(pipelines().items()) for review in pipeline.reviews]

each_review = pytest.mark.parametrize(("name", "kind"), _ALL)


def _review(name: str, kind: str) -> tuple[Pipeline[Any, Any], Review]:
    pipeline = pipelines()[name]
    return pipeline, loop.review_of(pipeline, kind)


def _unknown(name: str, kind: str) -> tuple[str, JsonObject]:
    """Return an id that no item has, and a decision."""
    case: Case = import_module(f"tests.shared.pipelines.{name}.conformance").CASE
    prefix, decision = case.reviews[kind]
    return f"{prefix}_{'0' * 32}", decision


def test_every_pipeline_asks_people() -> None:
    assert {name for name, _ in _ALL} == set(pipelines())
    assert len(set(_ALL)) == len(_ALL)


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
        assert list(loop.next_items(conn, pipeline, kind, reviewer="Ada", limit=5)) == []
        assert waiting_count(conn, pipeline, kind) == 0
        assert progress(conn, pipeline, kind, reviewer="Ada").per_hour is None
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
            lambda: loop.decide(conn, pipeline, kind, item, reviewer="Ada", decision=decision),
            lambda: review_work.skip(conn, pipeline, kind, item, reviewer="Ada"),
            lambda: review_work.rework(conn, pipeline, kind, item, reviewer="Ada", reason="Gone."),
            lambda: review_work.assign(conn, pipeline, kind, item, reviewer="Ada", by="Ada", admin=False),
        ):
            with pytest.raises(NotFoundError):
                refused()


@each_review
def test_what_breaks_the_contract_is_refused_and_not_quoted(name: str, kind: str, database: Database) -> None:
    pipeline, _ = _review(name, kind)
    item, _ = _unknown(name, kind)
    with database.transaction() as conn, pytest.raises(InvalidInputError) as refused:
        loop.decide(conn, pipeline, kind, item, reviewer="Ada", decision={"canary": "canary"})
    assert "canary" not in str(refused.value.as_dict())
