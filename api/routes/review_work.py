"""What people do with items besides deciding: skip, send to rework and put back, assign and release."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter
from psycopg import Connection
from pydantic import Field

from api.deps import Reviews
from api.paging import Cursor, Limit
from api.routes.review import ItemId, Kind, PipelineName
from api.security import Principal
from api.transaction import Work, in_transaction, reading
from api.views import Page, View, page
from shared.contracts import Contract, Scope
from shared.db.reviews_work import Rework
from shared.loop import review_work
from shared.registry import get_pipeline

router = APIRouter(prefix="/v1/review", tags=["review"])

_NAME: Final = r"^[^\x00]*$"  # what a text column takes
_REASON: Final = r"^[^\x00]*\S[^\x00]*$"
_Reviewer = Annotated[
    str | None,
    Field(
        max_length=200,
        pattern=_NAME,
        description="Another person, which needs the scope `admin`. Empty: yourself.",
        examples=["ana@example.org"],
    ),
]


class ReworkBody(Contract):
    """What must be put right before anybody can decide."""

    reason: str = Field(
        min_length=1,
        max_length=review_work.MAX_REASON_CHARS,
        pattern=_REASON,
        description="For people only; it leaves this list nowhere.",
        examples=["The picture is of another place."],
    )


class AssignBody(Contract):
    """Who is to decide."""

    reviewer: _Reviewer = None


class AssignNextBody(AssignBody):
    """Who is to decide, and on how many items."""

    count: int = Field(ge=1, le=review_work.MOST_ASSIGNED_AT_ONCE, examples=[20])


class Skipped(View):
    """An item, and who does not see it for now."""

    item: str
    reviewer: str


class ReworkView(View):
    """An item that nobody is asked about until it is put back, and why."""

    id: str = Field(examples=["rework_0192f0c1c2d37e8f9a0b1c2d3e4f5a6b"])
    item: str
    reviewer: str
    reason: str
    at: datetime


class PutBack(View):
    """The rework that is over, and its item."""

    id: str
    item: str


class Assigned(View):
    """Items, in the order in which they come, and whose they are."""

    reviewer: str
    items: list[str]


class Released(View):
    """How many items are for everybody again."""

    items: int


class AssignedCount(View):
    """How many items wait for a person alone."""

    reviewer: str
    items: int


class AssignedCounts(View):
    """How many items wait for each person alone."""

    items: list[AssignedCount]


# --- the queue --------------------------------------------------------------------------------------------------------


@router.get("/{pipeline}/{kind}/reworks", name="review.reworks", summary="List items that need rework")
@reading
def list_reworks(
    conn: Connection, pipeline: PipelineName, kind: Kind, _who: Reviews, cursor: Cursor = None, limit: Limit = 50
) -> Page[ReworkView]:
    """Show the items that wait to be put back, the latest first, and what somebody said must be put right."""
    found = review_work.list_reworks(conn, get_pipeline(pipeline), kind, before=cursor, limit=limit + 1)
    return page(_rework, found, limit)


@router.get("/{pipeline}/{kind}/assignments", name="review.assignments", summary="Count assigned items")
@reading
def count_assigned(conn: Connection, pipeline: PipelineName, kind: Kind, _who: Reviews) -> AssignedCounts:
    """Show for how many items it is only one person's turn, by person."""
    found = review_work.count_assigned(conn, get_pipeline(pipeline), kind)
    return AssignedCounts(items=[AssignedCount(reviewer=name, items=count) for name, count in found.items()])


@router.post("/{pipeline}/{kind}/assign", name="review.assign_next", summary="Assign the next items")
@in_transaction
def assign_next(
    work: Work, pipeline: PipelineName, kind: Kind, *, body: AssignNextBody, who: Reviews
) -> Assigned:  # fmt: skip
    """Assign the next open items to a person: nobody else is shown them until that person has decided.

    Two who ask at once get different items. What is somebody's already is left out.
    """
    reviewer = body.reviewer or who.name
    items = review_work.assign_next(
        work.conn, get_pipeline(pipeline), kind,
        reviewer=reviewer, count=body.count, by=who.name, admin=_is_admin(who),
    )  # fmt: skip
    return Assigned(reviewer=reviewer, items=list(items))


@router.post("/{pipeline}/{kind}/release", name="review.release_all", summary="Release a person's items")
@in_transaction
def release_all(
    work: Work, pipeline: PipelineName, kind: Kind, *, who: Reviews, body: AssignBody | None = None
) -> Released:  # fmt: skip
    """Let all items that a person was assigned and has not decided on be for everybody again."""
    reviewer = (body.reviewer if body else None) or who.name
    released = review_work.release_all(
        work.conn, get_pipeline(pipeline), kind, reviewer=reviewer, by=who.name, admin=_is_admin(who)
    )
    return Released(items=released)


# --- one item ---------------------------------------------------------------------------------------------------------


@router.post("/{pipeline}/{kind}/{item}/skip", name="review.skip", summary="Skip an item")
@in_transaction
def skip(work: Work, pipeline: PipelineName, kind: Kind, item: ItemId, who: Reviews) -> Skipped:
    """Do not show you an item for a day, or until nothing else waits. Others are asked as before."""
    review_work.skip(work.conn, get_pipeline(pipeline), kind, item, reviewer=who.name)
    return Skipped(item=item, reviewer=who.name)


@router.post("/{pipeline}/{kind}/{item}/unskip", name="review.unskip", summary="Take a skip back")
@in_transaction
def unskip(work: Work, pipeline: PipelineName, kind: Kind, item: ItemId, who: Reviews) -> Skipped:
    """Show you an item again that you skipped."""
    review_work.unskip(work.conn, get_pipeline(pipeline), kind, item, reviewer=who.name)
    return Skipped(item=item, reviewer=who.name)


@router.post("/{pipeline}/{kind}/{item}/rework", name="review.rework", summary="Say that an item needs rework")
@in_transaction
def rework(
    work: Work, pipeline: PipelineName, kind: Kind, item: ItemId, *, body: ReworkBody, who: Reviews
) -> PutBack:  # fmt: skip
    """Say why an item cannot be decided as it is: nobody is asked about it until it is put back.

    Said again by you, the reason is replaced; when somebody else was first, it is refused (`needs-rework`).
    """
    sent = review_work.rework(
        work.conn, get_pipeline(pipeline), kind, item, reviewer=who.name, reason=body.reason
    )  # fmt: skip
    return PutBack(id=sent, item=item)


@router.post("/{pipeline}/{kind}/{item}/put-back", name="review.put_back", summary="Put an item back")
@in_transaction
def put_back(work: Work, pipeline: PipelineName, kind: Kind, item: ItemId, who: Reviews) -> PutBack:
    """Let people decide on an item again that needed rework."""
    over = review_work.put_back(work.conn, get_pipeline(pipeline), kind, item, by=who.name)
    return PutBack(id=over, item=item)


@router.post("/{pipeline}/{kind}/{item}/assign", name="review.assign", summary="Assign an item")
@in_transaction
def assign(
    work: Work, pipeline: PipelineName, kind: Kind, item: ItemId, *, who: Reviews, body: AssignBody | None = None
) -> Assigned:  # fmt: skip
    """Let one person decide on an item, first of all: nobody else is shown it until then."""
    reviewer = (body.reviewer if body else None) or who.name
    review_work.assign(
        work.conn, get_pipeline(pipeline), kind, item, reviewer=reviewer, by=who.name, admin=_is_admin(who)
    )
    return Assigned(reviewer=reviewer, items=[item])


@router.post("/{pipeline}/{kind}/{item}/release", name="review.release", summary="Release an item")
@in_transaction
def release(work: Work, pipeline: PipelineName, kind: Kind, item: ItemId, who: Reviews) -> Released:
    """Let an item that is yours be for everybody again; an administrator releases anybody's."""
    review_work.release(work.conn, get_pipeline(pipeline), kind, item, by=who.name, admin=_is_admin(who))
    return Released(items=1)


def _is_admin(who: Principal) -> bool:
    return who.may(Scope.ADMIN)


def _rework(found: Rework) -> ReworkView:
    return ReworkView(id=found.id, item=found.item_id, reviewer=found.reviewer, reason=found.reason, at=found.at)
