"""How pages write figures, times and ids: the filters of the templates."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from markupsafe import Markup

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_MONTH: Final = 30 * _DAY
_YEAR: Final = 365 * _DAY
NONE: Final = "–"  # noqa: RUF001  (a dash where there is no figure)


def ago(at: datetime | None) -> str:
    """Write a moment by how long it is away: ``4 min ago``, ``in 2 days``; the exact time is its tooltip."""
    if at is None:
        return NONE
    away = (datetime.now(UTC) - at).total_seconds()
    text = span(abs(away))
    told = "just now" if abs(away) < 1 else f"{text} ago" if away > 0 else f"in {text}"
    exact = at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(exact, told)


def span(seconds: float | None) -> str:
    """Write a length of time in its largest unit: ``12 s``, ``3 min``, ``5 h``, ``2 days``."""
    if seconds is None:
        return NONE
    for size, unit in ((_YEAR, "year"), (_MONTH, "month"), (_DAY, "day")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' if number > 1 else ''}"
    for size, unit in ((_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def figure(value: float | None, digits: int | None = None) -> str:
    """Write a number with separators: ``12,345``, ``0.9312``; ``digits`` after the point, else as many as it needs."""
    if value is None:
        return NONE
    if digits is not None:
        return f"{value:,.{digits}f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"  # noqa: PLR2004


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share of 1 in percent: ``93.1 %``."""
    return NONE if value is None else f"{value * 100:.{digits}f} %"


def dollars(value: float | None) -> str:
    """Write a sum in US dollars: ``$1,204.50``."""
    return NONE if value is None else f"${value:,.2f}"


def short(identifier: str | None) -> str:
    """Write an id by its prefix and last eight digits: enough for people; the whole is in the link."""
    if not identifier:
        return NONE
    prefix, _, digits = identifier.rpartition("_")
    return f"{prefix}_…{digits[-8:]}" if prefix and len(digits) > 8 else identifier  # noqa: PLR2004


def label(name: str) -> str:
    """Write a field's name for people: ``one_sentence_pattern`` as ``One sentence pattern``."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "ago": ago, "span": span, "figure": figure, "percent": percent, "dollars": dollars, "short": short, "label": label,
}  # fmt: skip
