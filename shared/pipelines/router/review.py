"""What people decide on: how hard a query is. Blind: what was answered is shown to who asks for it, and afterwards.

Two queues of the same responses: ``labels`` asks about queries that nobody has labelled; ``disagreements`` asks a
second person about labels that are other than a confident answer. What they said is not overwritten by a third.
"""

from collections.abc import Collection, Sequence
from typing import Final, Literal, Self

from psycopg import Connection
from pydantic import BaseModel, Field, model_validator

from shared.contracts import Contract, JsonObject, Path
from shared.db import router
from shared.db.router import AnsweredQuery, AskedQuery
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.pipelines.router.contracts import Difficulty, Label
from shared.pipelines.router.policy import policy
from shared.pipelines.router.truth import Said, settle, words_of
from shared.review import Item, Response, Review

LABELS_KIND: Final = "labels"
DISAGREEMENTS: Final = "disagreements"
_TWO: Final = 2


class LabelDecision(Contract):
    """How hard a query is: a label, or that what was answered is right."""

    label: Label | None = Field(None, description="What the person says.")
    correct: Literal[True] | None = Field(
        None, description="In place of a label: what was answered is right. Only for who has asked to see it."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.label is None) == (self.correct is None):
            raise ValueError("give a label, or say that the answer is correct")
        return self


# --- labels ---------------------------------------------------------------------------------------------------------


def _waiting(conn: Connection, reviewer: str, limit: int) -> Sequence[Item]:
    return [_item(query) for query in router.unlabelled_queries(conn, reviewer, limit)]


def _check(conn: Connection, query_id: str, decision: BaseModel) -> None:
    query = _locked(conn, query_id, decision)
    if router.word_of(conn, query.id) or router.count_responses(conn, query.id) >= _TWO:
        raise _decided(query.id)


# --- disagreements --------------------------------------------------------------------------------------------------


def _waiting_contested(conn: Connection, reviewer: str, limit: int) -> Sequence[Item]:
    return [_item(query) for query in router.contested_queries(conn, reviewer, limit, _least())]


def _count_contested(conn: Connection, cap: int) -> int:
    return router.count_contested(conn, cap, _least())


def _open_contested(conn: Connection, query_ids: Sequence[str]) -> Collection[str]:
    return router.contested_among(conn, query_ids, _least())


def _check_contested(conn: Connection, query_id: str, decision: BaseModel) -> None:
    query = _locked(conn, query_id, decision)
    people = router.count_responses(conn, query.id) + (router.word_of(conn, query.id) is not None)
    if query.contested_by is None and people < _TWO:
        raise ConflictError(
            f"nobody's label of {query_id} is other than what was answered",
            advice="go on with the next item",
            code="no-disagreement",
        )


def _reveal_contested(conn: Connection, query_id: str) -> JsonObject:
    scores = _reveal(conn, query_id)
    return {"severity": scores["confidence"], "label": router.find_label(conn, query_id), **scores}


def _least() -> float:
    return policy().review.confident


# --- both -----------------------------------------------------------------------------------------------------------


def _show(conn: Connection, query_id: str) -> Item:
    return _item(_found(router.find_query(conn, query_id), query_id))


def _item(query: AskedQuery) -> Item:
    return Item(id=query.id, content={"query": query.query})


def _reveal(conn: Connection, query_id: str) -> JsonObject:
    query = _found(router.find_query(conn, query_id), query_id)
    return {
        "predicted": query.difficulty,
        "confidence": query.confidence,
        "path": query.path,
        "model_version": query.model_version,
    }


def _locked(conn: Connection, query_id: str, decision: BaseModel) -> AnsweredQuery:
    query = _found(router.lock_query(conn, query_id), query_id)
    decided = LabelDecision.model_validate(decision.model_dump())
    if decided.correct and query.difficulty == Difficulty.UNCERTAIN:
        raise InvalidInputError(
            "no label was answered that could be correct", advice="give a label", code="nothing-predicted"
        )
    return query


def _settle(conn: Connection, query_id: str, responses: Sequence[Response]) -> JsonObject:
    query = _found(router.lock_query(conn, query_id), query_id)
    for response in responses:
        if response.decision["correct"] and not router.has_seen(conn, query_id, response.reviewer):
            raise ConflictError(
                "who has not seen what was answered cannot say that it is correct",
                advice="ask for it first (reveal), or give a label",
                code="not-revealed",
            )
    words = words_of(conn, query, responses)
    if words and words[-1].reviewed and len({each.by for each in words}) > _TWO:
        raise _decided(query_id)
    settle(conn, query, words)
    router.note_told(conn, query_id)
    return {"labelled": bool(words), **(_told(query, words) if responses else {})}


def _told(query: AnsweredQuery, words: Sequence[Said]) -> JsonObject:
    """Say what was answered, to who has decided; and what the first person said, to the second."""
    if query.path == Path.FALLBACK:
        told = "No model had answered."
    elif query.difficulty == Difficulty.UNCERTAIN:
        told = f"The router was not sure ({query.confidence:.0%})."
    else:
        told = f"The router had said {query.difficulty}, {query.confidence:.0%} sure."
    if len({each.by for each in words}) == _TWO:
        told += f" The first label was {words[0].label}."
    return {"predicted": query.difficulty, "confidence": query.confidence, "told": told}


def _found(query: AnsweredQuery | None, query_id: str) -> AnsweredQuery:
    if query is None:
        raise NotFoundError(f"there is no query {query_id}", advice="ask for the next queries to label")
    return query


def _decided(query_id: str) -> ConflictError:
    return ConflictError(
        f"somebody else was first: {query_id} is decided already",
        advice="nothing was changed; go on with the next item",
        code="already-decided",
    )


def _two() -> int:
    return _TWO


REVIEWS: Final = (
    Review(
        kind=LABELS_KIND,
        summary="How hard is a query? Those first that the router was least sure of.",
        decision=LabelDecision,
        waiting=_waiting,
        show=_show,
        reveal=_reveal,
        check=_check,
        settle=_settle,
        count=router.count_unlabelled,
        open_among=router.unlabelled_among,
        one_truth=True,
    ),
    Review(
        kind=DISAGREEMENTS,
        summary="Label again, blind, where a person's label is other than a confident answer of the router.",
        decision=LabelDecision,
        waiting=_waiting_contested,
        show=_show,
        reveal=_reveal_contested,
        check=_check_contested,
        settle=_settle,
        count=_count_contested,
        open_among=_open_contested,
        answers=LABELS_KIND,
        one_truth=True,
        min_responses=_two,
    ),
)
