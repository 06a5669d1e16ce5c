"""What people do with items besides deciding: skip, send to rework and put back, assign and release.

Each function is part of the caller's transaction. All are about an item under the kind of its responses, so what is
skipped or sent to rework in one queue is so in every queue that asks for the same responses.
"""

from collections.abc import Sequence
from typing import Any, Final

from psycopg import Connection

from shared import ids
from shared.db import reviews as responses
from shared.db import reviews_work as rows
from shared.db.reviews_work import Rework
from shared.errors import ConflictError, ForbiddenError, InvalidInputError
from shared.loop.review import in_rework, is_storable, review_of
from shared.pipeline import Pipeline
from shared.review import Review

MAX_REASON_CHARS: Final = 500
MOST_ASSIGNED_AT_ONCE: Final = rows.MOST_LOOKED_AT
"""And the most that one person takes to decide on: who takes all keeps all from others."""

AnyPipeline = Pipeline[Any, Any]

# --- skip -------------------------------------------------------------------------------------------------------------


def skip(conn: Connection, pipeline: AnyPipeline, kind: str, item_id: str, *, reviewer: str) -> None:
    """Do not show an item to this person for a day, or until nothing else waits. Raises NotFoundError."""
    review = review_of(pipeline, kind)
    review.show(conn, item_id)
    rows.skip(conn, pipeline.name, review.stored_kind, item_id, reviewer)


def unskip(conn: Connection, pipeline: AnyPipeline, kind: str, item_id: str, *, reviewer: str) -> None:
    """Take a skip back. Raises ConflictError when there is none."""
    if not rows.unskip(conn, pipeline.name, review_of(pipeline, kind).stored_kind, item_id, reviewer):
        raise ConflictError(
            f"{reviewer} has not skipped {item_id}", advice="there is nothing to undo", code="nothing-to-undo"
        )


# --- rework -----------------------------------------------------------------------------------------------------------


def rework(
    conn: Connection, pipeline: AnyPipeline, kind: str, item_id: str, *, reviewer: str, reason: str
) -> str:  # fmt: skip
    """Say that an item cannot be decided as it is: nobody is asked until it is put back. Returns the rework's id.

    Said again by the same person, the reason is replaced. Raises ConflictError when somebody else was first.
    """
    review = review_of(pipeline, kind)
    if not reason.strip() or len(reason) > MAX_REASON_CHARS or not is_storable(reason):
        raise InvalidInputError(
            f"a rework needs a reason of 1 to {MAX_REASON_CHARS} characters", advice="say what must be put right"
        )
    responses.lock(conn, pipeline.name, review.stored_kind, item_id)
    review.show(conn, item_id)
    sent = rows.rework(
        conn, ids.new_id(ids.REWORK), pipeline.name, review.stored_kind, item_id, reviewer=reviewer, reason=reason
    )
    if sent is None:
        raise in_rework(item_id)
    return sent


def put_back(conn: Connection, pipeline: AnyPipeline, kind: str, item_id: str, *, by: str) -> str:
    """Let people decide on an item again, or take back that it needs rework; returns the rework's id.

    Raises ConflictError when it is in none.
    """
    stored = review_of(pipeline, kind).stored_kind
    responses.lock(conn, pipeline.name, stored, item_id)
    found = rows.put_back(conn, pipeline.name, stored, item_id, by=by)
    if found is None:
        raise ConflictError(f"{item_id} is not in rework", advice="there is nothing to put back", code="not-in-rework")
    return found


def list_reworks(
    conn: Connection, pipeline: AnyPipeline, kind: str, *, before: str | None = None, limit: int = 50
) -> list[Rework]:
    """Return the items in rework and why, the latest first; ``before`` is the last rework's id of the page before."""
    stored = review_of(pipeline, kind).stored_kind
    return rows.list_reworks(conn, pipeline.name, stored, before=before, limit=limit)


# --- assign -----------------------------------------------------------------------------------------------------------


def assign(
    conn: Connection, pipeline: AnyPipeline, kind: str, item_id: str, *, reviewer: str, by: str, admin: bool
) -> None:
    """Let one person decide on an item, first of all, and nobody else see it until then.

    Anybody takes an item for themselves unless it is somebody else's; ``admin``: may assign to others and anyway.
    Raises ForbiddenError, ConflictError, NotFoundError, and InvalidInputError when there is no such reviewer.
    """
    review = review_of(pipeline, kind)
    _refuse_for_another(conn, reviewer, by=by, admin=admin)
    responses.lock(conn, pipeline.name, review.stored_kind, item_id)
    review.show(conn, item_id)
    taken = rows.assign(
        conn, pipeline.name, review.stored_kind, [item_id], queue=kind, reviewer=reviewer, by=by, anyway=admin
    )
    if not taken:
        _refuse_others(conn, pipeline, review, item_id, by=by)


def assign_next(
    conn: Connection, pipeline: AnyPipeline, kind: str, *, reviewer: str, count: int, by: str, admin: bool
) -> Sequence[str]:
    """Assign the next items that are open and nobody's to a person, at most so many; returns their ids, in order.

    Two who ask at once get different ones. Raises as ``assign``, and ConflictError when that person has enough.
    """
    review = review_of(pipeline, kind)
    _refuse_for_another(conn, reviewer, by=by, admin=admin)
    if not 1 <= count <= MOST_ASSIGNED_AT_ONCE:
        raise InvalidInputError(f"1 to {MOST_ASSIGNED_AT_ONCE} items are assigned at once", advice="ask again for more")
    stored = review.stored_kind
    rows.lock_assigning(conn, pipeline.name, stored)
    has = set(
        rows.assigned(
            conn, pipeline.name, stored, reviewer, enough=review.min_responses(), answered_too=bool(review.answers)
        )
    )
    if len(has) >= MOST_ASSIGNED_AT_ONCE:
        raise ConflictError(
            f"{len(has)} items wait for {reviewer} already", advice="decide on some first", code="enough-assigned"
        )
    count = min(count, MOST_ASSIGNED_AT_ONCE - len(has))
    waiting = [item.id for item in review.waiting(conn, reviewer, count + len(has)) if item.id not in has][:count]
    responses.lock_all(conn, pipeline.name, stored, waiting)
    taken = set(rows.assign(conn, pipeline.name, stored, waiting, queue=kind, reviewer=reviewer, by=by))
    return [item_id for item_id in waiting if item_id in taken]


def release(conn: Connection, pipeline: AnyPipeline, kind: str, item_id: str, *, by: str, admin: bool) -> None:
    """Let an item be for everybody again, whether or not it was assigned.

    Raises ConflictError when it is somebody else's and ``by`` is no ``admin``.
    """
    review = review_of(pipeline, kind)
    responses.lock(conn, pipeline.name, review.stored_kind, item_id)
    review.show(conn, item_id)
    if not admin:
        _refuse_others(conn, pipeline, review, item_id, by=by)
    rows.release(conn, pipeline.name, review.stored_kind, item_id)


def release_all(conn: Connection, pipeline: AnyPipeline, kind: str, *, reviewer: str, by: str, admin: bool) -> int:
    """Let all that a person was assigned and has not answered be for everybody again; returns how many items."""
    review = review_of(pipeline, kind)
    if reviewer != by and not admin:
        raise _not_yours()
    rows.lock_assigning(conn, pipeline.name, review.stored_kind)
    return rows.release_all(conn, pipeline.name, review.stored_kind, reviewer)


def count_assigned(conn: Connection, pipeline: AnyPipeline, kind: str) -> dict[str, int]:
    """Count by person what is assigned and waits for that person."""
    return rows.count_assigned(conn, pipeline.name, review_of(pipeline, kind).stored_kind)


def _refuse_for_another(conn: Connection, reviewer: str, *, by: str, admin: bool) -> None:
    if reviewer == by:
        return
    if not admin:
        raise _not_yours()
    if not rows.may_review(conn, reviewer):
        raise InvalidInputError(
            "nobody of this name may decide: an item assigned to them would wait for ever",
            advice="name somebody whose API key has the scope review (`tuneyard keys list`)",
            code="no-such-reviewer",
        )


def _refuse_others(conn: Connection, pipeline: AnyPipeline, review: Review, item_id: str, *, by: str) -> None:
    held = rows.assignment_of(conn, pipeline.name, review.stored_kind, item_id)
    if held is not None and not held.done and held.reviewer != by:
        raise ConflictError(
            f"{item_id} is assigned to somebody else",
            advice="go on with the next item, or ask an administrator to assign it anew",
            code="assigned-to-another",
        )


def _not_yours() -> ForbiddenError:
    return ForbiddenError("the API key lacks the scope admin, which others' items need", advice="take items yourself")
