"""A form's fields become a decision: as ``static/review_form.js`` does it in the browser, by the same rules.

The rules are in the docstring of ``pages/review.py``: a field's name is its path in the decision, and its type.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from shared.contracts import JsonObject
from shared.errors import InvalidInputError

WHOLE: Final = "decision"
"""The button whose value is the whole decision."""
WITH_FIELDS: Final = "with-fields"
"""The button whose value is put over the fields'."""
NOTE: Final = "@note"
NO_FIELDS: Final = frozenset({"csrf_token", "do", "reason", WHOLE, WITH_FIELDS, NOTE})

_MOST_PARTS: Final = 6
_EMPTY: Final[tuple[Any, ...]] = ({}, [])


@dataclass(frozen=True, slots=True)
class Written:
    """A decision as it was written, and the note with it. ``names``: which field is at which path."""

    decision: JsonObject
    note: str | None
    names: Mapping[str, str]


def read_form(fields: Iterable[tuple[str, str]]) -> Written:
    """Read what a form sent. Raises InvalidInputError when a button's value is no JSON object."""
    given = list(fields)
    said = dict(given)
    note = said.get(NOTE, "").strip() or None
    if WHOLE in said and WITH_FIELDS not in said:
        return Written(_object(said[WHOLE]), note, {})
    tree: dict[str, Any] = {}
    names: dict[str, str] = {}
    for name, text in given:
        if name not in NO_FIELDS:
            _put(tree, name, text, names)
    moved: dict[str, str] = {}
    decision: JsonObject = _whole(tree, "", "", moved)
    return Written({**decision, **_object(said.get(WITH_FIELDS) or "{}")}, note, {
        moved[path]: name for path, name in names.items() if path in moved
    })  # fmt: skip


def _object(text: str) -> JsonObject:
    with suppress(ValueError):
        found = json.loads(text)
        if isinstance(found, dict):
            return found
    raise InvalidInputError("this is no decision", advice="load the page again, then decide")


def _put(tree: dict[str, Any], name: str, text: str, names: dict[str, str]) -> None:
    path, _, kind = name.partition(":")
    optional, kind = kind.endswith("?"), kind.removesuffix("?") or "text"
    if optional and not text.strip():
        return
    names.setdefault(path, name)
    *ways, last = path.split(".")[:_MOST_PARTS]
    for way in ways:
        below: Any = tree.setdefault(way, {})
        if not isinstance(below, dict):
            return
        tree = below
    if kind == "list":
        tree.setdefault(last, []).append(text)
    else:
        tree[last] = _READ.get(kind, str)(text)


def _whole(tree: Any, old: str, new: str, moved: dict[str, str]) -> Any:
    """Make lists of what is numbered, without the gaps; note which path became which."""
    moved[old] = new
    if not isinstance(tree, dict):
        return tree
    numbered = bool(tree) and all(key.isdigit() for key in tree)
    keys = sorted(tree, key=int) if numbered else list(tree)
    kept = [key for key in keys if tree[key] not in _EMPTY] if numbered else keys
    found = [
        _whole(tree[key], _join(old, key), _join(new, str(place) if numbered else key), moved)
        for place, key in enumerate(kept)
    ]
    return found if numbered else dict(zip(kept, found, strict=True))


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _number(text: str) -> Any:
    """Return a number where it is one: else the text, of which the contract says what is wrong."""
    with suppress(ValueError):
        found = json.loads(text)
        if isinstance(found, int | float) and not isinstance(found, bool):
            return found
    return text


def _json(text: str) -> Any:
    with suppress(ValueError):
        return json.loads(text)
    return text


_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "integer": _number,
    "number": _number,
    "boolean": lambda text: text == "true",
    "lines": lambda text: [line.strip() for line in text.splitlines() if line.strip()],
    "json": _json,
}
