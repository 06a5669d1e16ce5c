"""What people decide on: how good a picture is, in stars. Blind: nobody's rating and no score is shown with it.

Two queues of the same responses: ``ratings`` asks about pictures that too few have rated; ``disagreements`` asks to
look again at those of which model and people, or people among themselves, think differently. That is blind too, even to
what the same person said before. Where somebody has looked again, nobody is asked any more.
"""

from collections.abc import Collection, Sequence
from typing import Final

from psycopg import Connection
from pydantic import BaseModel, Field

from shared.contracts import Contract, JsonObject
from shared.db import images
from shared.db.images import ShownImage
from shared.errors import ConflictError, NotFoundError
from shared.pipelines.images.policy import policy
from shared.review import Item, Response, Review

RATINGS: Final = "ratings"
DISAGREEMENTS: Final = "disagreements"


class RatingDecision(Contract):
    """How good a person finds a picture."""

    stars: int = Field(ge=1, le=5, description="1: not worth a look, 5: as good as it gets.")


# --- ratings --------------------------------------------------------------------------------------------------------


def _waiting(conn: Connection, reviewer: str, limit: int) -> Sequence[Item]:
    return [_item(image) for image in images.waiting_images(conn, reviewer, limit, _enough())]


def _count(conn: Connection, cap: int) -> int:
    return images.count_waiting_images(conn, cap, _enough())


def _open(conn: Connection, image_ids: Sequence[str]) -> Collection[str]:
    return images.open_images(conn, image_ids, _enough())


def _enough() -> int:
    return policy().review.min_responses


# --- disagreements --------------------------------------------------------------------------------------------------


def _waiting_apart(conn: Connection, reviewer: str, limit: int) -> Sequence[Item]:
    return [_item(image) for image in images.images_apart(conn, reviewer, limit, _least())]


def _count_apart(conn: Connection, cap: int) -> int:
    return images.count_images_apart(conn, cap, _least())


def _open_apart(conn: Connection, image_ids: Sequence[str]) -> Collection[str]:
    return images.open_apart(conn, image_ids, _least())


def _reveal_apart(conn: Connection, image_id: str) -> JsonObject:
    return {"severity": images.severity_of(conn, image_id), **_reveal(conn, image_id)}


def _least() -> float:
    return policy().review.disagreement_stars


# --- both -----------------------------------------------------------------------------------------------------------


def _show(conn: Connection, image_id: str) -> Item:
    found = images.shown_image(conn, image_id)
    if found is None:
        raise _no_such(image_id)
    return _item(found)


def _item(image: ShownImage) -> Item:
    content = {
        "webcam": image.webcam,
        "captured_at": image.captured_at.isoformat() if image.captured_at else None,
        "width": image.width,
        "height": image.height,
        "picture": f"/v1/images/{image.id}/picture",
    }
    return Item(id=image.id, content=content)


def _reveal(conn: Connection, image_id: str) -> JsonObject:
    if images.shown_image(conn, image_id) is None:
        raise _no_such(image_id)
    return {
        "scores": [vars(score) for score in images.scores_of(conn, image_id)],
        "people": vars(images.people_of(conn, image_id)),
    }


def _check(conn: Connection, image_id: str, decision: BaseModel) -> None:
    RatingDecision.model_validate(decision.model_dump())
    if not images.lock_image(conn, image_id):
        raise _no_such(image_id)


def _settle(conn: Connection, image_id: str, responses: Sequence[Response]) -> JsonObject:
    for response in responses:
        if images.has_imported_rating(conn, image_id, response.reviewer):
            raise ConflictError(
                "your rating of this picture was imported from a file",
                advice="change it there, with a later rated_at, and import it again",
                code="rating-imported",
            )
    images.settle_ratings(conn, image_id, responses)
    people = images.people_of(conn, image_id)
    return {"ratings": people.ratings, "mean": people.mean}


def _no_such(image_id: str) -> NotFoundError:
    return NotFoundError(f"there is no image {image_id}", advice="ask for the next images to rate")


REVIEWS: Final = (
    Review(
        kind=RATINGS,
        summary="Rate pictures with 1 to 5 stars: those first on which models and people disagree.",
        decision=RatingDecision,
        waiting=_waiting,
        show=_show,
        reveal=_reveal,
        check=_check,
        settle=_settle,
        count=_count,
        open_among=_open,
        min_responses=_enough,
    ),
    Review(
        kind=DISAGREEMENTS,
        summary="Look again, blind, at pictures on which model and people disagree, or people among themselves.",
        decision=RatingDecision,
        waiting=_waiting_apart,
        show=_show,
        reveal=_reveal_apart,
        check=_check,
        settle=_settle,
        count=_count_apart,
        open_among=_open_apart,
        answers=RATINGS,
    ),
)
