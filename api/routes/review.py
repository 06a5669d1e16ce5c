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
from shared.loop import review
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


class UndoBody(Contract):
    """Whose decision to take back."""

    reviewer: str | None = Field(
        default=None,
        max_length=200,
        pattern=_TEXT,
        description="Another person's, which needs the scope `admin`. Empty: your own.",
    )


class Decided(View):
    """The decision that was stored or taken back, and what the item came to."""

    response_id: str = Field(examples=["resp_0192f0c1c2d37e8f9a0b1c2d3e4f5a6b"])
    item: str
    reviewer: str
    came_to: JsonObject


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

    Blind: no score or prediction is among what is shown. Asking for one is another request, which is written down.
    """
    found = review.next_items(conn, get_pipeline(pipeline), kind, reviewer=who.name, limit=limit)
    return NextItems(items=[_view(item) for item in found])


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
    """Store your decision; one that you made before about the same item is replaced.

    What follows from all decisions that stand is derived at once, and told in `came_to`: contradictions among it.
    """
    response_id, came_to = review.decide(
        work.conn, get_pipeline(pipeline), kind, item, reviewer=who.name, decision=body.decision, note=body.note
    )
    return Decided(response_id=response_id, item=item, reviewer=who.name, came_to=came_to)


@router.post("/{pipeline}/{kind}/{item}/undo", name="review.undo", summary="Take a decision back")
@in_transaction
def undo(
    work: Work, pipeline: PipelineName, kind: Kind, item: ItemId, *, who: Reviews, body: UndoBody | None = None
) -> Decided:  # fmt: skip
    """Take your decision back; all that was derived from it is gone with it."""
    reviewer = body.reviewer if body and body.reviewer else who.name
    if reviewer != who.name and not who.may(Scope.ADMIN):
        raise ForbiddenError(
            "this is another person's decision: the API key lacks the scope admin", advice="take back your own"
        )
    response_id, came_to = review.undo(
        work.conn, get_pipeline(pipeline), kind, item, reviewer=reviewer, by=who.name
    )  # fmt: skip
    return Decided(response_id=response_id, item=item, reviewer=reviewer, came_to=came_to)


@router.post("/{pipeline}/{kind}/{item}/reveal", name="review.reveal", summary="Show an item's scores")
@in_transaction
def reveal(work: Work, pipeline: PipelineName, kind: Kind, item: ItemId, who: Reviews) -> Revealed:
    """Show what labelling is else blind to. That you saw it is written down, and with your decision."""
    scores = review.reveal(work.conn, get_pipeline(pipeline), kind, item, reviewer=who.name)
    return Revealed(item=item, scores=scores)


def _view(item: Item) -> ItemView:
    return ItemView(id=item.id, content=item.content)
