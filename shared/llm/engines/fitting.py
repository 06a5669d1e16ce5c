"""Makes an answer fit a JSON schema, always in the same way: what fits stays, what nearly fits is coerced.

What cannot be saved becomes the least value that fits; so does everything when there is no answer at all.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from shared.errors import RefusedError
from shared.llm.engines.features import json_part
from shared.llm.engines.schemas import MAX_DEPTH, Node, Schema, Steps, has_twins, matches, same, type_of, types_of

MISSING: Final = object()

_YES: Final = frozenset({"true", "yes", "1"})
_LIMITS: Final = frozenset({"minLength", "minItems", "minimum", "maxLength", "maxItems", "maximum"})
# Tried in turn where a text must fit a pattern and the answer's does not.
_SAMPLES: Final = (
    "", "a", "A", "0", "aa", "abc", "00", "000", "0000", "2026-01-01", "2026-01-01T00:00:00Z", "00:00:00",
    "a@example.com", "https://example.com", "a-a", "a_a", "a.a", "a=0", "a.a=0", "127.0.0.1", "0.0",
    "00000000-0000-0000-0000-000000000000",
)  # fmt: skip


class _ImpossibleError(Exception):
    """No value was found for a node."""


def fit(schema: Schema, value: Any = MISSING) -> Any:
    """Return a value that fits the schema, as near to this one as can be. Raises RefusedError when there is none."""
    try:
        return _Fitter(schema).fit(schema.root, value, 0)
    except (_ImpossibleError, RecursionError):
        raise RefusedError(
            "no answer was found that fits the schema", advice="use a simpler schema, or one that can be met"
        ) from None


def value_of(text: str) -> Any:
    """Return the JSON that a text is or holds; otherwise the text itself."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        _, value, _ = json_part(text)
        return text if value is None else value


class _Fitter:
    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._steps = Steps()

    def fit(self, node: Node, value: Any, depth: int) -> Any:
        if node is True:
            return None if value is MISSING else value
        if isinstance(node, bool) or depth > MAX_DEPTH:
            raise _ImpossibleError
        if value is not MISSING and self._accepts(node, value):
            return self._ordered(node, value, depth)
        for made in self._attempts(node, value, depth):
            if self._accepts(node, made):
                return made
        raise _ImpossibleError

    def _accepts(self, node: Node, value: Any) -> bool:
        return self._schema.accepts(value, node, self._steps)

    def _ordered(self, node: Mapping[str, Any], value: Any, depth: int) -> Any:
        """Put an object's members into the order of the schema: providers do so, and it is the same each time."""
        if not isinstance(value, dict) or "properties" not in node:
            return value
        known = [name for name in node["properties"] if name in value]
        ordered = {name: self.fit(node["properties"][name], value[name], depth + 1) for name in known}
        return ordered | {name: item for name, item in value.items() if name not in ordered}

    def _attempts(self, node: Mapping[str, Any], value: Any, depth: int) -> Iterator[Any]:
        """Yield values for a node, the nearest first. Who asks checks each of them."""
        self._steps.take()
        if "const" in node:
            yield node["const"]
            return
        if "enum" in node:
            yield from sorted(node["enum"], key=lambda choice: not _alike(choice, value))
            return
        for variant in self._variants(node, value):
            try:
                yield self.fit(variant, value, depth + 1)
            except _ImpossibleError:
                continue
        if not {"$ref", "allOf", "anyOf", "oneOf"} & node.keys():
            for kind in _kinds(node, value):
                try:
                    yield self._of_kind(kind, node, value, depth)
                except _ImpossibleError:
                    continue

    def _variants(self, node: Mapping[str, Any], value: Any) -> Iterator[Mapping[str, Any]]:
        """Yield simpler nodes that a node may stand for: references followed, choices made, parts put together."""
        rest = {key: part for key, part in node.items() if key not in {"$ref", "allOf", "anyOf", "oneOf"}}
        for choice in ("anyOf", "oneOf"):
            if choice in node:
                others = {key: part for key, part in node.items() if key != choice}
                for option in sorted(node[choice], key=lambda o: _distance(o, value)):
                    yield _merged(others, option)
                return
        if "$ref" in node:
            others = {key: part for key, part in node.items() if key != "$ref"}
            yield _merged(others, self._schema.target(node["$ref"]))
        elif "allOf" in node:
            for part in node["allOf"]:
                rest = _merged(rest, part)
            yield rest

    def _of_kind(self, kind: str, node: Mapping[str, Any], value: Any, depth: int) -> Any:
        if kind == "object":
            return self._object(node, value, depth)
        if kind == "array":
            return self._array(node, value, depth)
        if kind == "string":
            return _text(node, value)
        if kind == "boolean":
            return str(value).strip().casefold() in _YES
        if kind == "null":
            return None
        return _number(node, value, whole=kind == "integer")

    def _object(self, node: Mapping[str, Any], value: Any, depth: int) -> dict[str, Any]:
        given = _members_of(value)
        others = node.get("additionalProperties", True)
        required = node.get("required", ())
        known = node.get("properties", {})
        if given is None:  # a bare text belongs into the first text that is asked for
            takers = [name for name in known if name in required and "string" in types_of(_as_object(known[name]))]
            given = {takers[0]: value} if takers and isinstance(value, str) else {}
        made: dict[str, Any] = {}
        for name in [*known, *(name for name in required if name not in known)]:
            part = known.get(name, others)
            if name in given or name in required:
                try:
                    made[name] = self.fit(part, given.get(name, MISSING), depth + 1)
                except _ImpossibleError:
                    if name in required:
                        raise
        if others is not False:
            for name in [name for name in given if name not in known and name not in made]:
                made[name] = self.fit(others, given[name], depth + 1)
        return made

    def _array(self, node: Mapping[str, Any], value: Any, depth: int) -> list[Any]:
        given = value if isinstance(value, list) else [] if value is MISSING or value is None else [value]
        first, rest = node.get("prefixItems", ()), node.get("items", True)
        least, most = node.get("minItems", 0), node.get("maxItems", math.inf)
        made: list[Any] = []
        for item in given[: 10_000 if most == math.inf else most]:
            part = first[len(made)] if len(made) < len(first) else rest
            try:
                fitted = self.fit(part, item, depth + 1)
            except _ImpossibleError:
                continue
            if not (node.get("uniqueItems") and has_twins([*made, fitted])):
                made.append(fitted)
        while len(made) < least:
            part = first[len(made)] if len(made) < len(first) else rest
            made.append(self._another(part, made, depth) if node.get("uniqueItems") else self.fit(part, MISSING, depth))
        return made

    def _another(self, node: Node, made: list[Any], depth: int) -> Any:
        """Return an item that is not in a list yet."""
        choices = node.get("enum", ()) if isinstance(node, Mapping) else ()
        for value in (MISSING, *choices, len(made), f"{len(made)}", float(len(made))):
            fitted = self.fit(node, value, depth + 1)
            if not has_twins([*made, fitted]):
                return fitted
        raise _ImpossibleError


def _members_of(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, str):
        value = value_of(value)
    return value if isinstance(value, dict) else None


def _as_object(node: Node) -> Mapping[str, Any]:
    return node if isinstance(node, Mapping) else {}


def _merged(one: Mapping[str, Any], other: Node) -> dict[str, Any]:
    """Put two nodes together: near enough to try, for the result is held against both afterwards."""
    if isinstance(other, bool):
        return dict(one) if other else {**one, "enum": [], "type": "null"}
    both: dict[str, Any] = {**one, **other}
    for name in ("properties", "$defs"):
        if name in one and name in other:
            both[name] = {**one[name], **other[name]}
    for name in ("required", "allOf"):
        if name in one and name in other:
            both[name] = [*one[name], *other[name]]
    for name, stricter in (
        ("minLength", max),
        ("minItems", max),
        ("minimum", max),
        ("maxLength", min),
        ("maximum", min),
    ):
        if name in one and name in other:
            both[name] = stricter(one[name], other[name])
    return both


def _kinds(node: Mapping[str, Any], value: Any) -> list[str]:
    kinds = list(types_of(node))
    if not kinds:
        hints = {"properties": "object", "required": "object", "items": "array", "minItems": "array"}
        kinds = [hints[key] for key in hints if key in node] or ["null", "string", "integer", "object", "array"]
    own = "" if value is MISSING else type_of(value)
    near = ("integer", "number") if own in {"integer", "number"} else (own,)
    return sorted(kinds, key=lambda kind: (kind not in near, kind == "null"))


def _distance(option: Node, value: Any) -> tuple[int, int]:
    """Say how far an option is from a value: another type is further; a reference may lead anywhere."""
    if isinstance(option, bool):
        return 2, 0
    refers = int("$ref" in option)
    if value is MISSING:
        return 0, refers
    kinds = types_of(option)
    if isinstance(value, dict) and "properties" in option:
        return -sum(name in value for name in option["properties"]), refers
    own = type_of(value)
    return int(own not in kinds and not (own == "integer" and "number" in kinds) and not refers), refers


def _alike(choice: Any, value: Any) -> bool:
    if isinstance(choice, str) and isinstance(value, str):
        return choice.strip().casefold() == value.strip().casefold()
    return value is not MISSING and same(choice, value)


def _text(node: Mapping[str, Any], value: Any) -> str:
    text: str = value if isinstance(value, str) else ""
    if not isinstance(value, str | dict | list) and value is not MISSING and value is not None:
        text = orjson.dumps(value).decode()
    least, most = node.get("minLength", 0), node.get("maxLength", math.inf)
    candidates = (text, *_SAMPLES) if "pattern" in node else (text,)
    for candidate in candidates:
        sized = (candidate if len(candidate) <= most else candidate[: int(most)]).ljust(int(least), ".")
        if "pattern" not in node or matches(node["pattern"], sized):
            return sized
        repeated = candidate[:1] * int(least)
        if repeated and matches(node["pattern"], repeated):
            return repeated
    raise _ImpossibleError


def _number(node: Mapping[str, Any], value: Any, *, whole: bool) -> float:
    number = _number_of(value)
    step = node.get("multipleOf", 1 if whole else 0)
    low = max(node.get("minimum", -math.inf), node.get("exclusiveMinimum", -math.inf))
    high = min(node.get("maximum", math.inf), node.get("exclusiveMaximum", math.inf))
    number = min(max(number, low), high)
    if number == node.get("exclusiveMinimum"):
        number = number + (step or (1 if high == math.inf else (high - low) / 2))
    elif number == node.get("exclusiveMaximum"):
        number = number - (step or (1 if low == -math.inf else (high - low) / 2))
    if step:
        number = _on_step(number, step, low, high)
    return int(number) if whole and math.isfinite(number) else number


def _on_step(number: float, step: float, low: float, high: float) -> float:
    for turn in (round, math.ceil, math.floor):
        found = turn(number / step) * step
        if low <= found <= high:
            return found
    raise _ImpossibleError


def _number_of(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        number = float(value) if isinstance(value, str) else 0
    except ValueError:
        return 0
    return number if math.isfinite(number) else 0
