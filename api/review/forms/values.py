"""One value of a form: how it is written into an input, and read from it."""

import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from api.middleware import check_depth
from shared.errors import TooLargeError

Given = Mapping[str, Sequence[str]]
"""What the inputs of a form hold, by name: as a browser sends it."""


class Kind(StrEnum):
    """How a field is asked for."""

    TEXT = "text"
    LONG = "long"
    NUMBER = "number"
    SWITCH = "switch"
    CHOICE = "choice"
    CHOICES = "choices"
    LINES = "lines"
    DATE = "date"
    TIME = "time"
    UPLOAD = "upload"
    UPLOADS = "uploads"
    JSON = "json"
    GROUP = "group"


KEEPS_SPACES: Final = frozenset({Kind.TEXT, Kind.LONG})
"""Kinds whose text is taken as it is."""

_IN_UTC: Final = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?:Z|\+00:00)$")
_NO_ZONE: Final = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?$")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,1000}")
_MOST_DIGITS: Final = 400  # of a number with a point: more only make it infinite


class Unreadable(ValueError):  # noqa: N818  (its text is a sentence for the person who typed)
    """What was typed cannot be read as what is asked for."""


def text_of(value: Any, kind: Kind | None = None) -> str:
    """Write a value as the text of an input; what is no text is written as JSON."""
    if kind in (Kind.LINES, Kind.UPLOADS):
        return _lines_of(value)
    if kind is Kind.SWITCH:
        return "on"
    if kind is Kind.JSON:
        return json.dumps(value, ensure_ascii=False, indent=2)
    if kind is Kind.TIME and (found := _IN_UTC.match(str(value))):
        return found[1]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _lines_of(values: Sequence[Any]) -> str:
    """Write one item a line, or, where a line could not say an item, all as JSON."""
    texts = [text_of(value) for value in values]
    plain = bool(texts) and all(text and text == " ".join(text.splitlines()).strip() for text in texts)
    return "\n".join(texts) if plain and not texts[0].startswith("[") else json.dumps(values)


def value_of(kind: Kind, schema: Mapping[str, Any], options: Sequence[Any], text: str, deepest: int) -> Any:
    """Read the text of an input. Raises Unreadable; whether the value fits its field is for the model to say."""
    match kind:
        case Kind.NUMBER:
            value = _number(text.strip(), whole=schema.get("type") == "integer")
        case Kind.CHOICE:
            value = next((option for option in options if text_of(option) == text), text)
        case Kind.LINES | Kind.UPLOADS:
            value = _items(text, schema.get("items", {}).get("type", "string"), deepest)
        case Kind.JSON:
            value = _json(text, deepest)
        case Kind.TIME:
            value = f"{text.strip()}Z" if _NO_ZONE.match(text.strip()) else text.strip()
        case Kind.DATE | Kind.UPLOAD:
            value = text.strip()
        case _:
            value = _trimmed(text, schema.get("pattern"))
    if _holds_nul(value):
        raise Unreadable("It holds a NUL character, which no text may hold.")
    return value


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_holds_nul, value))


def _trimmed(text: str, pattern: str | None) -> str:
    """Leave out spaces around a text that fits its pattern only without them: ids are often copied with one."""
    bare = text.strip()
    return bare if pattern and not re.search(pattern, text) and re.search(pattern, bare) else text


def _number(text: str, *, whole: bool) -> Any:
    if _INTEGER.fullmatch(text):
        return int(text)
    if whole:
        raise Unreadable("Enter a whole number.")
    try:
        number = float(text)
    except ValueError:
        raise Unreadable("Enter a number.") from None
    if len(text) > _MOST_DIGITS or number in (float("inf"), float("-inf")) or number != number:  # noqa: PLR0124  (NaN)
        raise Unreadable("Enter a number.")
    return number


def _items(text: str, of: str, deepest: int) -> list[Any]:
    if text.lstrip().startswith("["):
        items = _json(text, deepest)
        return items if isinstance(items, list) else [items]
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return lines if of == "string" else [_number(line, whole=of == "integer") for line in lines]


def _json(text: str, deepest: int) -> Any:
    """Read JSON of a depth that the API would take too."""
    try:
        check_depth(text.encode("utf-8", "replace"), deepest)
        value = json.loads(text, parse_constant=_no_constant)
        json.dumps(value, allow_nan=False)
    except TooLargeError:
        raise Unreadable(f"It is nested deeper than {deepest} levels, or is no JSON.") from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"This is no JSON: line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except ValueError:  # infinite, or of thousands of digits
        raise Unreadable("It holds a number that cannot be kept.") from None
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(name)
