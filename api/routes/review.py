"""What people decide on, one item at a time, for any pipeline that asks: next items, decide, undo, scores."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from psycopg import Connection
from pydantic import Field

from api.deps import Reviews
from api.transaction import Work, in_transaction, reading
from api.views import View
from shared.contracts import Contract, JsonObject, Scope
from shared.db import reviews
from shared.errors import ForbiddenError
from shared.loop import review, review_progress
from shared.registry import get_pipeline
from shared.review import Item

router = APIRouter(prefix="/v1/review", tags=["review"])

_TEXT = r"^[^\x00]*$"  # what a text column takes
_NAME = r"^[a-z][a-z0-9_-]{0,62}$"
PipelineName = Annotated[str, Path(pattern=_NAME, description="A pipeline that asks people.")]
Kind = Annotated[str, Path(pattern=_NAME, description="What is decided on, as `clusters`.")]
ItemId = Annotated[str, Path(pattern=r"^[a-z]{1,10}_[0-9a-f]{32}$", description="An item's id.")]


class ItemView(View):
    """Something to decide on, without any score."""

    id: str
    content: JsonObject
    assigned_to: str | None = Field(description="Whom it is assigned to: you.")


class NextItems(View):
    """The items to decide on next, what teaches most first."""

    items: list[ItemView]


class ReviewKind(View):
    """One kind of items that a pipeline asks about, and the JSON schema of a decision."""

    pipeline: str
    kind: str
    summary: str
    decision: JsonObject
    standing: dict[str, int] = Field(description="How many decisions stand, by person.")


class ReviewKinds(View):
    """All that people are asked about by a pipeline."""

    items: list[ReviewKind]


class DecisionBody(Contract):
    """What a person says of an item."""

    decision: JsonObject = Field(
        description="Of the kind's own contract (`GET /v1/review/{pipeline}`).", examples=[{"decision": "approve"}]
    )
    note: str | None = Field(
        default=None,
        max_length=review.MAX_NOTE_CHARS,
        description="Why; it is kept with the decision, for people only.",
    )


class CheckBody(Contract):
    """A decision that is being written: fields may be missing."""

    decision: JsonObject = Field(examples=[{"decision": "approve"}])


class UndoBody(Contract):
    """Whose decision to take back."""

    reviewer: str | None = Field(
        default=None,
        max_length=200,
        pattern=_TEXT,
        description="Another person's, which needs the scope `admin`. Empty: your own.",
    )
    response_id: str | None = Field(
        default=None,
        pattern=r"^resp_[0-9a-f]{32}$",
        description="Only this decision, so that an undo that comes twice takes back one. Empty: the one that stands.",
    )


class Decided(View):
    """The decision that was stored or taken back, and what the item came to."""

    response_id: str = Field(examples=["resp_0192f0c1c2d37e8f9a0b1c2d3e4f5a6b"])
    item: str
    reviewer: str
    came_to: JsonObject


class Undone(Decided):
    """The decision that was taken back, and what the item comes to now."""

    restored: str | None = Field(description="The decision of this person that stands again: the one it had replaced.")


class FaultView(View):
    """What is wrong with a decision, and in which field."""

    field: str = Field(description="With dots into it; empty: the decision as a whole.", examples=["evidence.0.metric"])
    message: str


class Checked(View):
    """What is wrong with a decision that is still being written; nothing: it would be taken."""

    faults: list[FaultView]


class ProgressView(View):
    """How many items wait, and how far and how fast you are."""

    mine_today: int = Field(description="Your decisions since midnight (UTC) that stand.")
    mine_total: int
    per_hour: float | None = Field(description="Your pace by your latest decisions of an hour; null: too few to tell.")
    waiting: int = Field(description="Items that wait, whoever asks.")
    waiting_is_capped: bool = Field(description="There are more than these.")


class Revealed(View):
    """The scores of an item."""

    item: str
    scores: JsonObject


@router.get("/{pipeline}", name="review.kinds", summary="List what people are asked about")
@reading
def list_kinds(conn: Connection, pipeline: PipelineName, _who: Reviews) -> ReviewKinds:
    """Show the kinds of items of a pipeline, and how a decision on each is written."""
    found = get_pipeline(pipeline)
    return ReviewKinds(
        items=[
            ReviewKind(
                pipeline=pipeline,
                kind=each.kind,
                summary=each.summary,
                decision=each.decision.model_json_schema(),
                standing=reviews.count_standing(conn, pipeline, each.kind),
            )
            for each in found.reviews
        ]
    )


@router.get("/{pipeline}/{kind}", name="review.next", summary="Show the next items to decide on")
@reading
def next_items(
    conn: Connection,
    pipeline: PipelineName,
    kind: Kind,
    who: Reviews,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many.")] = 10,
) -> NextItems:
    """Show items that you have not decided on, the most uncertain first and likely classes by turns.

    First what is assigned to you; what you skipped comes back after a day, or when nothing else waits. Blind: no score
    or prediction is among what is shown. Asking for one is another request, which is written down.
    """
    found = review.next_items(conn, get_pipeline(pipeline), kind, reviewer=who.name, limit=limit)
    return NextItems(items=[_view(item) for item in found])


@router.get("/{pipeline}/{kind}/progress", name="review.progress", summary="Show how far you are")
@reading
def show_progress(conn: Connection, pipeline: PipelineName, kind: Kind, who: Reviews) -> ProgressView:
    """Show how many items wait, and how many decisions are yours, and at which pace you make them."""
    found = review_progress.progress(conn, get_pipeline(pipeline), kind, reviewer=who.name)
    return ProgressView.model_validate(found)


@router.get("/{pipeline}/{kind}/{item}", name="review.show", summary="Show an item to decide on")
@reading
def show_item(conn: Connection, pipeline: PipelineName, kind: Kind, item: ItemId, _who: Reviews) -> ItemView:
    """Show one item, decided on or not, without any score."""
    return _view(review.review_of(get_pipeline(pipeline), kind).show(conn, item))


@router.post("/{pipeline}/{kind}/{item}", name="review.decide", summary="Decide on an item")
@in_transaction
def decide(
    work: Work, pipeline: PipelineName, kind: Kind, item: ItemId, *, body: DecisionBody, who: Reviews
) -> Decided:  # fmt: skip
    """Store your decision; one that you made before about the same item is replaced, the same again changes nothing.

    Where one answer is the truth and somebody else was first, yours is refused (`already-decided`), as it is about an
    item that needs rework (`needs-rework`). What follows from all decisions that stand is derived at once, and told in
    `came_to`: contradictions among it.
    """
    response_id, came_to = review.decide(
        work.conn, get_pipeline(pipeline), kind, item, reviewer=who.name, decision=body.decision, note=body.note
    )
    return Decided(response_id=response_id, item=item, reviewer=who.name, came_to=came_to)


@router.post("/{pipeline}/{kind}/{item}/check", name="review.check", summary="Check a decision that is being written")
@reading
def check(
    conn: Connection, pipeline: PipelineName, kind: Kind, item: ItemId, *, body: CheckBody, _who: Reviews
) -> Checked:  # fmt: skip
    """Say what is wrong with a decision, as far as it is written. Nothing is stored."""
    found = review.faults(conn, get_pipeline(pipeline), kind, item, body.decision)
    return Checked(faults=[FaultView.model_validate(fault) for fault in found])


@router.post("/{pipeline}/{kind}/{item}/undo", name="review.undo", summary="Take a decision back")
@in_transaction
def undo(
    work: Work, pipeline: PipelineName, kind: Kind, item: ItemId, *, who: Reviews, body: UndoBody | None = None
) -> Undone:  # fmt: skip
    """Take your decision back; all that was derived from it is gone with it.

    The decision of yours that it had replaced, if any, stands again: ask once more to take back that one too.
    """
    asked = body or UndoBody()
    reviewer = asked.reviewer or who.name
    if reviewer != who.name and not who.may(Scope.ADMIN):
        raise ForbiddenError(
            "this is another person's decision: the API key lacks the scope admin", advice="take back your own"
        )
    undone = review.undo(
        work.conn, get_pipeline(pipeline), kind, item,
        reviewer=reviewer, by=who.name, response_id=asked.response_id,
    )  # fmt: skip
    return Undone(item=item, reviewer=reviewer, **undone._asdict())


@router.post("/{pipeline}/{kind}/{item}/reveal", name="review.reveal", summary="Show an item's scores")
@in_transaction
def reveal(work: Work, pipeline: PipelineName, kind: Kind, item: ItemId, who: Reviews) -> Revealed:
    """Show what labelling is else blind to. That you saw it is written down, and with your decision."""
    scores = review.reveal(work.conn, get_pipeline(pipeline), kind, item, reviewer=who.name)
    return Revealed(item=item, scores=scores)


def _view(item: Item) -> ItemView:
    return ItemView.model_validate(item)
