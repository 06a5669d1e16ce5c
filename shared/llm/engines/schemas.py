"""JSON schemas that our own engines answer to: a part of Draft 2020-12, checked before any work is done for them.

A schema comes from outside and is a small program. So the keywords are an allow-list, references stay inside the
schema, regular expressions are of a kind that cannot run away, and every check has a budget of steps.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from shared.contracts import JsonObject
from shared.errors import InvalidInputError, RefusedError
from shared.ids import canonical_json

MAX_DEPTH: Final = 64  # of values and of references followed

_MAX_NODES: Final = 2_000
_MAX_STEPS: Final = 100_000
_MAX_PATTERN: Final = 200
_MAX_MATCHED: Final = 1_000  # characters of a text that a pattern looks at; a longer one does not fit it
_MAX_UNBOUNDED: Final = 2  # repetitions in one pattern: its time grows at most with the square of the text's length

_NUMBERS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_COUNTS: Final = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})
_NODES: Final = frozenset({"items", "additionalProperties"})
_LISTS: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_MAPS: Final = frozenset({"properties", "$defs", "definitions"})
_REST: Final = frozenset({"type", "enum", "const", "required", "uniqueItems", "pattern", "$ref"})
_NOTES: Final = frozenset(
    {
        "title", "description", "default", "example", "examples", "$schema", "$comment", "format", "deprecated",
        "readOnly", "writeOnly",
    }
)  # fmt: skip
_TYPES: Final = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
# Groups that repeat, look around or refer back may take exponential time.
_RISKY: Final = re.compile(r"\)[*+?{]|\(\?(?!:)|\\[1-9]|\\g")
_UNBOUNDED: Final = re.compile(r"(?<!\\)(?:[*+]|\{\d*,\d*\})")

Node = Mapping[str, Any] | bool


class Steps:
    """A budget: each step of a check costs one. Raises RefusedError when it is used up."""

    def __init__(self) -> None:
        self._left = _MAX_STEPS

    def take(self) -> None:
        """Take a step."""
        self._left -= 1
        if self._left < 0:
            raise RefusedError("the schema takes too many steps to check", advice="use a simpler schema")


class Schema:
    """A schema that was found fit for use."""

    def __init__(self, root: Node) -> None:
        self.root = root

    def target(self, reference: str) -> Node:
        """Return the node that a reference names."""
        node: Any = self.root
        for part in reference.removeprefix("#").split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list):
                node = node[int(name)] if name.isdecimal() and int(name) < len(node) else None
            else:
                node = node.get(name) if isinstance(node, dict) else None
        if not isinstance(node, dict | bool):
            raise _refused("$ref", "it names nothing in the schema")
        return node

    def accepts(self, value: Any, node: Node | None = None, steps: Steps | None = None, depth: int = 0) -> bool:
        """Whether a value fits the schema, or a node of it. Raises RefusedError when that takes too many steps."""
        node = self.root if node is None else node
        steps = steps or Steps()
        steps.take()
        if isinstance(node, bool):
            return node
        if depth > MAX_DEPTH:
            return False

        def fits(part: Node, item: Any) -> bool:
            return self.accepts(item, part, steps, depth + 1)

        return (
            ("$ref" not in node or fits(self.target(node["$ref"]), value))
            and all(fits(part, value) for part in node.get("allOf", ()))
            and ("anyOf" not in node or any(fits(part, value) for part in node["anyOf"]))
            and ("oneOf" not in node or sum(fits(part, value) for part in node["oneOf"]) == 1)
            and _plain_fits(node, value)
            and (not isinstance(value, list) or all(fits(p, item) for p, item in _items(node, value)))
            and (not isinstance(value, dict) or all(fits(p, item) for p, item in _members(node, value)))
        )


def check_schema(schema: Any) -> Schema:
    """Check a schema and return it, ready for use. Raises InvalidInputError when it is wrong, or of no supported kind.

    The same schema is checked once: a program seldom has many.
    """
    try:
        return _checked(json.dumps(schema, allow_nan=False))
    except (ValueError, RecursionError):
        raise InvalidInputError("the schema is nested too deeply, or is no JSON", advice="flatten it") from None


@lru_cache(maxsize=256)
def _checked(written: str) -> Schema:
    root = json.loads(written)  # in the order of its members: answers keep it
    schema = Schema(root)
    waiting: list[Any] = [root]
    for count in range(_MAX_NODES + 1):
        if not waiting:
            return schema
        node = waiting.pop()
        if isinstance(node, bool):
            continue
        if not isinstance(node, dict) or count == _MAX_NODES:
            raise _refused("schema", "it has too many parts" if count == _MAX_NODES else "a part of it is no object")
        waiting += _check_node(schema, node)
    return schema


def _check_node(schema: Schema, node: JsonObject) -> list[Any]:
    """Check the keywords of one node; return the nodes in it."""
    inner: list[Any] = []
    for keyword, value in node.items():
        if keyword in _NODES:
            inner.append(value)
        elif keyword in _LISTS:
            if not isinstance(value, list) or not value:
                raise _refused(keyword, "it must be a list with something in it")
            inner += value
        elif keyword in _MAPS:
            if not isinstance(value, dict):
                raise _refused(keyword, "it must be an object")
            inner += value.values()
        else:
            _check_plain(schema, keyword, value)
    return inner


def _check_plain(schema: Schema, keyword: str, value: Any) -> None:
    if keyword in _NUMBERS:
        fine = _is_number(value) and (keyword != "multipleOf" or value > 0)
    elif keyword in _COUNTS:
        fine = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1_000_000  # noqa: PLR2004
    elif keyword == "type":
        names = value if isinstance(value, list) and value else [value]
        fine = all(isinstance(name, str) and name in _TYPES for name in names)
    elif keyword == "required":
        fine = isinstance(value, list) and all(isinstance(name, str) for name in value)
    elif keyword == "enum":
        fine = isinstance(value, list) and bool(value)
    elif keyword == "pattern":
        fine = isinstance(value, str) and _is_harmless(value)
    elif keyword == "$ref":
        fine = isinstance(value, str) and (value == "#" or value.startswith("#/")) and schema.target(value) is not None
    elif keyword == "uniqueItems":
        fine = isinstance(value, bool)
    else:
        fine = keyword in _NOTES or keyword == "const"
    if not fine:
        raise _refused(keyword, "it is not supported here, or its value is wrong")


def _is_harmless(pattern: str) -> bool:
    if len(pattern) > _MAX_PATTERN or _RISKY.search(pattern) or len(_UNBOUNDED.findall(pattern)) > _MAX_UNBOUNDED:
        return False
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _refused(keyword: str, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"the schema cannot be used ({keyword[:40]}): {why}",
        advice="see docs/engines.md for the keywords that our own engines know",
    )


# --- one node against one value -------------------------------------------------------------------------------------


def type_of(value: Any) -> str:
    """Return a value's JSON type; whole numbers are ``integer``."""
    for kind, name in ((bool, "boolean"), (int, "integer"), (str, "string"), (list, "array"), (dict, "object")):
        if isinstance(value, kind):
            return name
    if value is None:
        return "null"
    return "integer" if float(value).is_integer() else "number"


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def types_of(node: Mapping[str, Any]) -> Sequence[str]:
    """Return the types that a node names; empty: any."""
    kinds = node.get("type", ())
    return [kinds] if isinstance(kinds, str) else kinds


def matches(pattern: str, text: str) -> bool:
    """Whether a text fits a (checked) pattern; a very long one does not."""
    return len(text) <= _MAX_MATCHED and re.search(pattern, text) is not None


def _plain_fits(node: Mapping[str, Any], value: Any) -> bool:
    kinds = types_of(node)
    kind = type_of(value)
    if kinds and kind not in kinds and not (kind == "integer" and "number" in kinds):
        return False
    if not all(any(same(value, choice) for choice in choices) for choices in _choices(node)):
        return False
    if kind == "string":
        return _within(len(value), node, "Length") and ("pattern" not in node or matches(node["pattern"], value))
    if kind == "array":
        return _within(len(value), node, "Items") and not (node.get("uniqueItems") and has_twins(value))
    if kind == "object":
        return _within(len(value), node, "Properties") and all(name in value for name in node.get("required", ()))
    return kind not in {"integer", "number"} or _number_fits(node, value)


def _choices(node: Mapping[str, Any]) -> list[list[Any]]:
    """Return the lists of values that a node allows; a value must be in all of them."""
    lists = [[node["const"]]] if "const" in node else []
    return [*lists, node["enum"]] if "enum" in node else lists


def _within(count: int, node: Mapping[str, Any], what: str) -> bool:
    return bool(node.get(f"min{what}", 0) <= count <= node.get(f"max{what}", math.inf))


def _number_fits(node: Mapping[str, Any], value: float) -> bool:
    return bool(
        node.get("minimum", -math.inf) <= value <= node.get("maximum", math.inf)
        and node.get("exclusiveMinimum", -math.inf) < value < node.get("exclusiveMaximum", math.inf)
        and ("multipleOf" not in node or _is_multiple(value, node["multipleOf"]))
    )


def _is_multiple(value: float, of: float) -> bool:
    if isinstance(value, int) and isinstance(of, int):
        return value % of == 0
    quotient = value / of
    return math.isfinite(quotient) and quotient == int(quotient)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def has_twins(items: Sequence[Any]) -> bool:
    """Whether two items of a list are equal."""
    seen: set[bytes] = set()
    for item in items:
        key = canonical_json(_unified(item))
        if key in seen:
            return True
        seen.add(key)
    return False


def _unified(value: Any) -> Any:
    """Write whole numbers as integers, so that equal values have equal JSON."""
    if isinstance(value, dict):
        return {key: _unified(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unified(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _items(node: Mapping[str, Any], value: Sequence[Any]) -> list[tuple[Node, Any]]:
    first = node.get("prefixItems", ())
    pairs = list(zip(first, value, strict=False))
    if "items" in node:
        pairs += [(node["items"], item) for item in value[len(first) :]]
    return pairs


def _members(node: Mapping[str, Any], value: Mapping[str, Any]) -> list[tuple[Node, Any]]:
    known = node.get("properties", {})
    others = node.get("additionalProperties", True)
    return [(known.get(name, others), item) for name, item in value.items()]
