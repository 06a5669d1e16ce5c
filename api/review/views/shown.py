"""How pages show JSON that they know nothing of: parameters, results, errors. By its shape, never by its pipeline."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup, escape

from shared import ids

LISTED: Final = 50  # of a list; the rest is in the JSON
_COLUMNS: Final = 9  # a table with more is not read any more
_LONG: Final = 160
_ID: Final = re.compile(r"([a-z]+)_[0-9a-f]{32}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_STRUCTURES: Final = frozenset({"facts", "table", "lists", "long"})
_CODE: Final = re.compile(r"`([^`\n]+)`")
_PLACES: Final[Mapping[str, str]] = {
    ids.JOB: "/jobs/", ids.MODEL: "/models/", ids.DATASET: "/datasets/", ids.PREDICTION: "/lineage/",
    ids.PROMOTION: "/lineage/", ids.EVALUATION: "/lineage/", ids.EXAMPLE: "/lineage/", ids.IMAGE: "/lineage/",
}  # fmt: skip


def place_of(value: Any) -> str:
    """Return the page of the thing that an id names; empty when there is none."""
    found = _ID.fullmatch(value) if isinstance(value, str) else None
    return f"{_PLACES[found[1]]}{value}" if found and found[1] in _PLACES else ""


def prose(text: str) -> Markup:
    """Show a sentence, with what stands in backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  (escaped just before)


def shape(value: Any) -> str:
    """Say how a value is shown."""
    if value is None or value in ("", [], {}):
        return "nothing"
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return _shape_of_text(value)
    if isinstance(value, Mapping):
        return "facts"
    return "table" if columns(value) else "lists" if any(isinstance(item, list | dict) for item in value) else "words"


def _shape_of_text(text: str) -> str:
    if _ID.fullmatch(text):
        return "id"
    if _HASH.fullmatch(text):
        return "hash"
    return "long" if len(text) > _LONG or "\n" in text else "text"


def columns(rows: Sequence[Any]) -> list[str]:
    """Return the columns of a list of objects that are alike enough for a table."""
    if not rows or not all(isinstance(row, Mapping) for row in rows):
        return []
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) > _COLUMNS:
        return []
    return sorted(names, key=lambda name: any(_is_structure(row.get(name)) for row in rows))


def ordered(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Put an object's sentence first, and what has parts of its own last: the database keeps no order."""
    return dict(sorted(facts.items(), key=lambda fact: (fact[0] != "sentence", _is_structure(fact[1]))))


def is_flat(facts: Mapping[str, Any]) -> bool:
    """Whether an object has no parts of its own: it is then shown in a line."""
    return not any(map(_is_structure, facts.values()))


def _is_structure(value: Any) -> bool:
    return shape(value) in _STRUCTURES


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "place": place_of, "prose": prose, "shape": shape, "columns": columns, "ordered": ordered,
    "is_flat": is_flat,
}  # fmt: skip
