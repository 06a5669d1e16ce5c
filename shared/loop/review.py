"""What people decide about items of a pipeline, whatever it makes of it: next, decide, undo, reveal.

Each function is part of the caller's transaction, and lets the pipeline derive its truth in that very transaction from
the responses that stand. Labelling is blind: who wants to see an item's scores asks for them, which is written down.
"""

from collections.abc import Sequence
from typing import Any, Final

from psycopg import Connection
from pydantic import BaseModel, ValidationError

from shared import ids
from shared.contracts import JsonObject
from shared.db import reviews as rows
from shared.db.reviews import NewResponse
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.pipeline import Pipeline
from shared.review import Item, Review

MAX_NOTE_CHARS: Final = 500


def review_of(pipeline: Pipeline[Any, Any], kind: str) -> Review:
    """Return a pipeline's review. Raises NotFoundError."""
    for review in pipeline.reviews:
        if review.kind == kind:
            return review
    kinds = ", ".join(review.kind for review in pipeline.reviews)
    raise NotFoundError(
        f"{pipeline.name} asks people about no {kind}",
        advice=f"choose one of: {kinds}" if kinds else "this pipeline asks nobody about anything",
    )


def next_items(
    conn: Connection, pipeline: Pipeline[Any, Any], kind: str, *, reviewer: str, limit: int
) -> Sequence[Item]:
    """Return the items that this person should decide on next, without their scores."""
    return review_of(pipeline, kind).waiting(conn, reviewer, limit)


def decide(
    conn: Connection, pipeline: Pipeline[Any, Any], kind: str, item_id: str,
    *, reviewer: str, decision: JsonObject, note: str | None = None,
) -> tuple[str, JsonObject]:  # fmt: skip
    """Store what a person decided about an item; returns the response's id, and what the item came to.

    Another decision of the same person about the same item replaces the one before. Raises InvalidInputError for a
    decision that breaks its contract, and what the review's ``check`` raises.
    """
    review = review_of(pipeline, kind)
    read = _read(review, decision)
    rows.lock(conn, pipeline.name, kind, item_id)
    review.check(conn, item_id, read)
    rows.retract(conn, pipeline.name, kind, item_id, reviewer, by=reviewer)
    new = NewResponse(
        id=ids.new_id(ids.RESPONSE), pipeline=pipeline.name, kind=kind, item_id=item_id, reviewer=reviewer,
        decision=read.model_dump(mode="json"), note=note, queue=kind,
    )  # fmt: skip
    rows.add(conn, new)
    return new.id, _settle(conn, pipeline.name, review, item_id)


def undo(
    conn: Connection, pipeline: Pipeline[Any, Any], kind: str, item_id: str, *, reviewer: str, by: str
) -> tuple[str, JsonObject]:
    """Take back what a person decided about an item; returns the response's id, and what the item comes to now.

    Raises ConflictError when nothing of that person stands.
    """
    review = review_of(pipeline, kind)
    rows.lock(conn, pipeline.name, kind, item_id)
    review.show(conn, item_id)
    retracted = rows.retract(conn, pipeline.name, kind, item_id, reviewer, by=by)
    if retracted is None:
        raise ConflictError(
            f"no decision of {reviewer} about {item_id} stands",
            advice="there is nothing to undo",
            code="nothing-to-undo",
        )
    return retracted, _settle(conn, pipeline.name, review, item_id)


def reveal(conn: Connection, pipeline: Pipeline[Any, Any], kind: str, item_id: str, *, reviewer: str) -> JsonObject:
    """Return an item's scores, and write down who saw them. Raises NotFoundError."""
    scores = review_of(pipeline, kind).reveal(conn, item_id)
    rows.note_reveal(conn, pipeline.name, kind, item_id, reviewer)
    return scores


def _settle(conn: Connection, pipeline: str, review: Review, item_id: str) -> JsonObject:
    return review.settle(conn, item_id, rows.standing(conn, pipeline, review.kind, item_id))


def _read(review: Review, decision: JsonObject) -> BaseModel:
    try:
        return review.decision.model_validate(decision)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        told = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'decision'}: {fault['msg']}" for fault in faults)
        raise InvalidInputError(
            f"this is no decision about {review.kind}: {told}",
            advice="its contract is in GET /v1/review/PIPELINE, and in `tuneyard review kinds PIPELINE --json`",
        ) from None
