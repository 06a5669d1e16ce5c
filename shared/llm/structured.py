"""Reads JSON that a model wrote, and believes nothing: size, depth, doubled keys and the schema are all checked.

What breaks a rule is told as faults, whose messages name places and rules and never quote the answer: they go back to
the model, into reports and into tables.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast

from shared import ids
from shared.contracts import JsonObject
from shared.errors import InvalidInputError

_TOKENS: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_MOST_FAULTS: Final = 10
_LONGEST_PLACE: Final = 100
_MOST_DIGITS: Final = 20
_STRICT_KEYWORDS: Final = frozenset(
    {
        *("type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf"),
        *("$ref", "$defs", "title", "description"),
    }
)
_TOLD_KEYWORDS: Final = frozenset(
    {
        *("type", "required", "enum", "const", "minLength", "maxLength", "pattern", "minimum", "maximum"),
        *("exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A broken rule: its stable name, and a plain sentence that does not quote the answer."""

    rule: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much JSON is read at all: characters, levels of nesting, and entries of one array or object."""

    characters: int = 65_536
    depth: int = 32
    entries: int = 1_000


class MisfitError(InvalidInputError):
    """The answer is not the JSON that was asked for; ``faults`` says where."""

    code = "misfit"

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in self.faults))


def read_answer(text: str, schema: JsonObject, bounds: Bounds | None = None) -> Any:
    """Return the value of an answer that is JSON of this schema (draft 2020-12). Raises MisfitError otherwise."""
    value = strict_json(text, bounds)
    if faults := tuple(schema_faults(value, schema)):
        raise MisfitError(faults)
    return value


def strict_json(text: str, bounds: Bounds | None = None, *, storable_texts: bool = True) -> Any:
    """Parse JSON that any other program would read in the same way, and that PostgreSQL can store.

    Refused are: doubled keys, NaN and infinity (also as 1e999), integers of over 20 digits, what is out of bounds, and
    (unless ``storable_texts`` is off) NUL and lone surrogates in texts. Raises MisfitError.
    """
    bounds = bounds or Bounds()
    if len(text) > bounds.characters:
        raise _misfit("too-large", f"the answer has more than {bounds.characters} characters")
    if _depth(text) > bounds.depth:
        raise _misfit("too-deep", f"the answer is nested deeper than {bounds.depth} levels")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_not_a_number,
            parse_float=_finite,
            parse_int=_short_integer,
        )
    except json.JSONDecodeError as error:
        # The decoder's own message has no text of the answer in it, only what it expected and where.
        raise _misfit("not-json", f"the answer is not JSON: {error.msg} at character {error.pos}") from None
    _check_values(value, bounds, storable_texts=storable_texts)
    return value


def storable(text: str) -> str:
    """Return a text that UTF-8 and PostgreSQL can hold: NUL and lone surrogates become U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def schema_faults(value: Any, schema: JsonObject) -> Iterator[Fault]:
    """Yield where a value breaks a schema, ten faults at most."""
    errors = _validator(ids.canonical_json(schema)).iter_errors(value)
    for _, error in zip(range(_MOST_FAULTS), errors, strict=False):
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        where = ("the answer" + storable(place))[:_LONGEST_PLACE]
        keyword = str(error.validator)
        yield Fault(rule=f"schema-{keyword}", message=f"{where} {_expected(keyword, error.validator_value)}")


def takes_strict(schema: Any) -> bool:
    """Whether OpenAI takes a schema as ``strict``, for fine-tunes too.

    Then it has no other keywords than these, and every object names all its properties as required, and no others.
    """
    if not isinstance(schema, Mapping):
        return True
    if not set(schema) <= _STRICT_KEYWORDS:
        return False
    properties = schema.get("properties", {})
    if properties or schema.get("type") == "object":
        closed = schema.get("additionalProperties") is False
        if not closed or set(schema.get("required", ())) != set(properties):
            return False
    parts = [*properties.values(), *schema.get("$defs", {}).values(), *schema.get("anyOf", ()), schema.get("items")]
    return all(takes_strict(part) for part in parts)


def _expected(keyword: str, wanted: Any) -> str:
    if keyword == "required":
        return f"must have all of: {', '.join(map(str, cast('list[str]', wanted)))}"
    if keyword == "additionalProperties":
        return "has keys that the schema does not know"
    if keyword in _TOLD_KEYWORDS:
        return f"must have {keyword} {json.dumps(wanted)}"
    return f"breaks the schema's {keyword}"


@lru_cache(maxsize=64)
def _validator(schema: bytes) -> Any:
    """Return the validator of a schema. It fetches nothing: references reach inside the schema only."""
    from jsonschema import Draft202012Validator
    from referencing import Registry

    return Draft202012Validator(json.loads(schema), registry=Registry())


def _depth(text: str) -> int:
    """Return how deep the brackets outside of strings nest, without parsing: a parser might run out of stack."""
    deepest = depth = 0
    for token in _TOKENS.finditer(text):
        match token[0]:
            case "[" | "{":
                depth += 1
                deepest = max(deepest, depth)
            case "]" | "}":
                depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _misfit("duplicate-key", "an object of the answer has the same key twice")
    return found


def _not_a_number(name: str) -> float:
    raise _misfit("not-a-number", f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _misfit("not-a-number", "a number of the answer is too large")
    return number


def _short_integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise _misfit("not-a-number", "an integer of the answer is too long")
    return int(text)


def _check_values(value: Any, bounds: Bounds, *, storable_texts: bool) -> None:
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text if storable_texts and _UNSTORABLE.search(text):
                raise _misfit("bad-text", "a text of the answer has NUL or half a character in it")
            case dict() as found:
                _check_entries(len(found), bounds)
                waiting += [*found.keys(), *found.values()]
            case list() as found:
                _check_entries(len(found), bounds)
                waiting += found


def _check_entries(entries: int, bounds: Bounds) -> None:
    if entries > bounds.entries:
        raise _misfit("too-large", f"an array or object of the answer has more than {bounds.entries} entries")


def _misfit(rule: str, message: str) -> MisfitError:
    return MisfitError([Fault(rule=rule, message=message)])
