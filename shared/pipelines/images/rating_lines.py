"""One line of a file of ratings: who said how many stars, when, and as whom."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints, ValidationError

from shared.contracts import Contract
from shared.db.images import NewRating, RatingKind
from shared.errors import InvalidInputError

Rater = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")
]


def _with_zone(cell: Any) -> Any:
    """Take a time without a zone as UTC, and an empty cell as none."""
    if not isinstance(cell, str):
        return cell
    text = cell.strip()
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return at if at.tzinfo else at.replace(tzinfo=UTC)


class _Line(Contract):
    rater: Rater
    stars: int = Field(ge=1, le=5)
    kind: RatingKind = "manual"
    rated_at: Annotated[AwareDatetime | None, BeforeValidator(_with_zone)] = None


_FIELDS: Final = tuple(_Line.model_fields)


def read_rating(fields: Mapping[str, Any], rater: str) -> NewRating:
    """Read ``stars``, and ``rater``, ``kind`` and ``rated_at`` where they are given; else it is this rater's, of now.

    A rating of the public needs its rater: one visitor counts once. Raises InvalidInputError.
    """
    given = {name: fields[name] for name in _FIELDS if str(fields.get(name, "")).strip()}
    if given.get("kind") == "public" and "rater" not in given:
        raise InvalidInputError("a public rating needs a rater: any word that stands for one visitor")
    try:
        line = _Line.model_validate({"rater": rater, **given})
    except ValidationError as error:
        wrong = sorted({str(fault["loc"][0]) for fault in error.errors()})
        raise InvalidInputError(
            f"wrong: {', '.join(wrong)} (stars are 1 to 5, kind is manual or public, rated_at a time)"
        ) from None
    return NewRating(rater=line.rater, stars=line.stars, kind=line.kind, at=line.rated_at)
