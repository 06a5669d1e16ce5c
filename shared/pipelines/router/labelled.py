"""One line of a file of labelled queries: ``query`` and ``label``, and who said so and when, where it is known."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shared.errors import InvalidInputError
from shared.pipeline import Labelled
from shared.pipelines.router.contracts import check_query, example_id, group_of, parse_label

_MAX_NAME: Final = 200
_CLOCK_SKEW: Final = timedelta(days=1)
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_labelled(fields: Mapping[str, Any]) -> Labelled:
    """Read the fields ``query`` and ``label``, and ``labelled_at`` and ``labelled_by`` where they are there.

    Times are ISO 8601, in UTC unless they say otherwise. Other fields do not count. Raises ``InvalidInputError``.
    """
    query = check_query(fields.get("query"))
    label = parse_label(fields.get("label"))
    return Labelled(
        id=example_id(query, label),
        group=group_of(query),
        input=query,
        label=label,
        by=_name(fields.get("labelled_by")),
        at=_time(fields.get("labelled_at")),
    )


def _name(raw: Any) -> str | None:
    if raw is None or raw == "":
        return None
    if not isinstance(raw, str) or len(raw) > _MAX_NAME or not raw.isprintable():
        raise InvalidInputError(f"labelled_by is not a name of at most {_MAX_NAME} characters")
    return raw


def _time(raw: Any) -> datetime | None:
    if raw is None or raw == "":
        return None
    try:
        at = datetime.fromisoformat(raw)
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInputError("labelled_at is not a time as 2026-01-31T12:00:00Z") from None
    if not _EARLIEST <= at <= datetime.now(UTC) + _CLOCK_SKEW:
        raise InvalidInputError("labelled_at is before 1970 or in the future")
    return at
