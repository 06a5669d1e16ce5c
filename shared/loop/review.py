"""What people decide about items of a pipeline, whatever it makes of it: next, decide, undo, reveal, faults.

Each function is part of the caller's transaction, and lets the pipeline derive its truth in that very transaction from
the responses that stand. Labelling is blind: who wants to see an item's scores asks for them, which is written down.

What else people do with items (skip, send to rework, assign) is in ``review_work.py``, how far they are in
``review_progress.py``. Responses are stored under ``Review.stored_kind``; a queue whose answers are another kind's is
only another way to the same items.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from psycopg import Connection
from pydantic import BaseModel, ValidationError

from shared import ids
from shared.contracts import JsonObject
from shared.db import reviews as rows
from shared.db import reviews_work as work
from shared.db.reviews import NewResponse
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.pipeline import Pipeline
from shared.review import Fault, Item, Review

MAX_NOTE_CHARS: Final = 500
_NO_TEXT: Final = re.compile(r"[\x00\ud800-\udfff]")


class Undone(NamedTuple):
    """What an undo took back, what the item comes to now, and which earlier response of the person stands again."""

    response_id: str
    came_to: JsonObject
    restored: str | None


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


# --- next -------------------------------------------------------------------------------------------------------------


def next_items(
    conn: Connection, pipeline: Pipeline[Any, Any], kind: str, *, reviewer: str, limit: int
) -> Sequence[Item]:
    """Return the items that this person should decide on next, without their scores.

    First those that are assigned to this person, then the queue; what this person skipped comes when nothing else does.
    """
    review = review_of(pipeline, kind)
    mine = _shown(conn, pipeline, review, reviewer, limit=limit, listed=work.assigned)
    queue = review.waiting(conn, reviewer, limit) if len(mine) < limit else ()
    known = {item.id for item in mine}
    found = [
        *(replace(item, assigned_to=reviewer) for item in mine), *(item for item in queue if item.id not in known)
    ][:limit]  # fmt: skip
    return found or _shown(conn, pipeline, review, reviewer, limit=limit, listed=work.skipped)


def _shown(
    conn: Connection, pipeline: Pipeline[Any, Any], review: Review, reviewer: str,
    *, limit: int, listed: Callable[..., list[str]],
) -> list[Item]:  # fmt: skip
    """Return the first of a person's listed items that the pipeline still asks about."""
    found = listed(
        conn, pipeline.name, review.stored_kind, reviewer, enough=review.min_responses(),
        answered_too=bool(review.answers),
    )  # fmt: skip
    still = set(review.open_among(conn, found)) if found else set()
    items: list[Item] = []
    for item_id in found:
        if item_id in still and len(items) < limit:
            try:
                items.append(review.show(conn, item_id))
            except NotFoundError:  # it is gone, and with it the wish to decide on it
                continue
    return items


# --- decide and undo --------------------------------------------------------------------------------------------------


def decide(
    conn: Connection, pipeline: Pipeline[Any, Any], kind: str, item_id: str,
    *, reviewer: str, decision: JsonObject, note: str | None = None,
) -> tuple[str, JsonObject]:  # fmt: skip
    """Store what a person decided about an item; returns the response's id, and what the item came to.

    Another decision of the same person about the same item replaces the one before; the same said again changes
    nothing. Raises InvalidInputError for a decision that breaks its contract, ConflictError where an item is in rework
    or where somebody else's decision is the truth already, and what the review's ``check`` raises.
    """
    review = review_of(pipeline, kind)
    stored = review.stored_kind
    read = _read(review, decision)
    if note is not None and (len(note) > MAX_NOTE_CHARS or not is_storable(note)):
        raise InvalidInputError(
            f"a note has at most {MAX_NOTE_CHARS} characters, and no NUL", advice="shorten it and send it again"
        )
    rows.lock(conn, pipeline.name, stored, item_id)
    review.check(conn, item_id, read)
    _refuse_closed(conn, pipeline.name, review, item_id, reviewer)
    new = NewResponse(
        id=ids.new_id(ids.RESPONSE), pipeline=pipeline.name, kind=stored, item_id=item_id, reviewer=reviewer,
        decision=read.model_dump(mode="json"), note=note, queue=kind,
    )  # fmt: skip
    said = rows.said_already(conn, new)
    if said is None:
        rows.retract(conn, pipeline.name, stored, item_id, reviewer, by=reviewer, replaced_by=new.id)
        rows.add(conn, new)
    work.unskip(conn, pipeline.name, stored, item_id, reviewer)
    return said or new.id, _settle(conn, pipeline, review, item_id)


def undo(
    conn: Connection, pipeline: Pipeline[Any, Any], kind: str, item_id: str,
    *, reviewer: str, by: str, response_id: str | None = None,
) -> Undone:  # fmt: skip
    """Take back what a person decided about an item last: the decision that it had replaced stands again.

    ``response_id``: only this one, so that an undo that is sent twice takes back nothing more. Raises ConflictError
    when nothing of that person stands, or something else than that.
    """
    review = review_of(pipeline, kind)
    stored = review.stored_kind
    rows.lock(conn, pipeline.name, stored, item_id)
    review.show(conn, item_id)
    mine = [found.id for found in rows.standing(conn, pipeline.name, stored, item_id) if found.reviewer == reviewer]
    if not mine or response_id not in (None, *mine):
        raise ConflictError(
            f"no decision of {reviewer} about {item_id} stands" if not mine else "this decision stands no more",
            advice="there is nothing to undo",
            code="nothing-to-undo",
        )
    (undone,) = mine
    rows.retract(conn, pipeline.name, stored, item_id, reviewer, by=by)
    restored = rows.restore(conn, undone)
    return Undone(undone, _settle(conn, pipeline, review, item_id), restored)


def reveal(conn: Connection, pipeline: Pipeline[Any, Any], kind: str, item_id: str, *, reviewer: str) -> JsonObject:
    """Return an item's scores, and write down who saw them. Raises NotFoundError."""
    review = review_of(pipeline, kind)
    scores = review.reveal(conn, item_id)
    rows.note_reveal(conn, pipeline.name, review.stored_kind, item_id, reviewer)
    return scores


def _refuse_closed(conn: Connection, pipeline: str, review: Review, item_id: str, reviewer: str) -> None:
    """Refuse a decision that would overwrite another's, or that is about what somebody found undecidable."""
    if work.in_rework(conn, pipeline, review.stored_kind, item_id):
        raise in_rework(item_id)
    if not review.one_truth:
        return
    people = {found.reviewer for found in rows.standing(conn, pipeline, review.stored_kind, item_id)}
    if reviewer not in people and len(people) >= review.min_responses():
        raise ConflictError(
            f"somebody else was first: {item_id} is decided already",
            advice="nothing was changed; go on with the next item",
            code="already-decided",
        )


def in_rework(item_id: str) -> ConflictError:
    """Say that an item must be put back before anybody decides on it."""
    return ConflictError(
        f"somebody says that {item_id} needs rework",
        advice="go on with the next item, or put this one back first",
        code="needs-rework",
    )


def _settle(conn: Connection, pipeline: Pipeline[Any, Any], review: Review, item_id: str) -> JsonObject:
    """Let the kind whose responses these are derive its truth."""
    stored = review.stored_kind
    work.settle_assignments(conn, pipeline.name, stored, [item_id])
    return review_of(pipeline, stored).settle(conn, item_id, rows.standing(conn, pipeline.name, stored, item_id))


# --- the contract -----------------------------------------------------------------------------------------------------


def faults(
    conn: Connection, pipeline: Pipeline[Any, Any], kind: str, item_id: str, decision: JsonObject
) -> list[Fault]:  # fmt: skip
    """Say what is wrong with a decision that is still being written, in the order of its fields. Nothing is stored.

    None: it would be taken as it is, unless somebody else is first. Raises NotFoundError when there is no such item.
    """
    review = review_of(pipeline, kind)
    review.show(conn, item_id)
    found = _unstorable(review, decision)
    try:
        review.decision.model_validate(decision)
    except ValidationError as error:
        found += _faults_of(error)
    more = review.faults(conn, item_id, decision) if review.faults else ()
    return [*found, *(fault for fault in more if fault not in found)]


def _read(review: Review, decision: JsonObject) -> BaseModel:
    found = _unstorable(review, decision)
    try:
        read = review.decision.model_validate(decision)
    except ValidationError as error:
        found += _faults_of(error)
    else:
        if not found:
            return read
    told = "; ".join(f"{fault.field or 'decision'}: {fault.message}" for fault in found)
    raise InvalidInputError(
        f"this is no decision about {review.kind}: {told}",
        advice="its contract is in GET /v1/review/PIPELINE, and in `tuneyard review kinds PIPELINE --json`",
    )


def _unstorable(review: Review, decision: JsonObject) -> list[Fault]:
    """Return the fields with text that no column takes."""
    wrong = [name for name, value in decision.items() if not (is_storable(name) and is_storable(value))]
    names = [name if name in review.decision.model_fields else "" for name in wrong]
    return [Fault(field=name, message="It has a character that is no text.") for name in names]


def is_storable(value: Any) -> bool:
    """Return whether text can be stored, or JSON with all text in it: without NUL and halves of surrogate pairs."""
    if isinstance(value, str):
        return not _NO_TEXT.search(value)
    if isinstance(value, Mapping):
        return all(is_storable(name) and is_storable(each) for name, each in value.items())
    return not isinstance(value, list | tuple) or all(map(is_storable, value))


def _faults_of(error: ValidationError) -> list[Fault]:
    """Return what breaks a contract. A field that it does not know is not named: a person wrote its name."""
    found = []
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        where = fault["loc"][:-1] if fault["type"] == "extra_forbidden" else fault["loc"]
        message = fault["msg"].removeprefix("Value error, ")
        found.append(Fault(field=".".join(map(str, where)), message=message))
    return found
