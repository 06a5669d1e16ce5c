"""Functions that an example declares, and its calls of them.

The same functions stand in every line of a typical file, so what was found out about them is remembered.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from shared.llm.policy import Limits
from shared.llm.tokens import count_tools

Report = Callable[..., None]
"""Takes a fault's code, and where it is."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOOL_KEYS: Final = frozenset({"type", "function"})
_FUNCTION_KEYS: Final = frozenset({"name", "description", "parameters", "strict"})
_REMEMBERED: Final = 256
_NO_NAMES: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Function:
    """What a declared function takes: the names it needs, and all that it knows (None: any)."""

    required: frozenset[str]
    known: frozenset[str] | None


@dataclass(frozen=True, kw_only=True)
class Declared:
    """The functions of an example, what is wrong with their declaration, and the tokens that it takes."""

    functions: Mapping[str, Function] = field(default_factory=dict)
    faults: tuple[tuple[str, str], ...] = ()
    tokens: int = 0


NOTHING: Final = Declared()


def is_name(value: object) -> bool:
    """Whether a value is a name as providers take them for functions and authors."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def depth_of(value: Any, limit: int) -> int:
    """Return how deeply a JSON value is nested, but no more than ``limit + 1``."""
    level, depth = [value], 0
    while level and depth <= limit:
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        depth += 1
    return depth


class Toolbox:
    """Reads declarations of functions."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._remembered: dict[bytes, Declared] = {}
        self._last: tuple[object, str, Declared] = (self, "", NOTHING)

    def read(self, tools: object, *, where: str = "tools", wrapped: bool = True) -> Declared:
        """Return what a list of declarations declares; ``wrapped`` is the newer form, with a type around each."""
        if tools is self._last[0] and where == self._last[1]:  # the parser gives the same object for the same text
            return self._last[2]
        key = orjson.dumps([where, tools])
        found = self._remembered.get(key)
        if found is None:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            found = self._remembered[key] = self._read(tools, where, wrapped=wrapped, tokens=count_tools(key))
        self._last = tools, where, found
        return found

    def _read(self, tools: object, where: str, *, wrapped: bool, tokens: int) -> Declared:
        if not isinstance(tools, list):
            return Declared(faults=(("wrong-type", where),))
        faults: list[tuple[str, str]] = []
        functions: dict[str, Function] = {}
        if len(tools) > self._limits.max_tools:
            faults.append(("too-many-tools", where))
        for index, tool in enumerate(tools):
            place = f"{where}[{index}]"
            function: Any = self._unwrapped(tool, place, faults) if wrapped else tool
            if function is None or not self._is_function(function, place, faults):
                continue
            if function["name"] in functions:
                faults.append(("duplicate-tool", place))
            functions[function["name"]] = _function(function.get("parameters"))
        return Declared(functions=functions, faults=tuple(faults), tokens=tokens if tools else 0)

    @staticmethod
    def _unwrapped(tool: object, place: str, faults: list[tuple[str, str]]) -> object:
        if not isinstance(tool, dict) or tool.get("type") != "function" or "function" not in tool:
            faults.append(("bad-tool", place))
            return None
        if not tool.keys() <= _TOOL_KEYS:
            faults.append(("unknown-key", place))
        return tool["function"]

    def _is_function(self, function: Any, place: str, faults: list[tuple[str, str]]) -> bool:
        if not isinstance(function, dict) or not is_name(function.get("name")):
            faults.append(("bad-tool", f"{place}: its name"))
            return False
        if not function.keys() <= _FUNCTION_KEYS:
            faults.append(("unknown-key", place))
        described, strict = function.get("description", ""), function.get("strict")
        if not isinstance(described, str) or not (strict is None or isinstance(strict, bool)):
            faults.append(("wrong-type", place))
        parameters = function.get("parameters", {})
        if not isinstance(parameters, dict):
            faults.append(("wrong-type", f"{place}.parameters"))
        elif depth_of(parameters, self._limits.max_depth) > self._limits.max_depth:
            faults.append(("too-deep", f"{place}.parameters"))
        return True


def _function(parameters: object) -> Function:
    schema = parameters if isinstance(parameters, dict) else {}
    required, properties = schema.get("required"), schema.get("properties")
    closed = schema.get("additionalProperties") is False and isinstance(properties, dict)
    return Function(
        required=frozenset(filter(_is_text, required)) if isinstance(required, list) else _NO_NAMES,
        known=frozenset(properties) if closed and isinstance(properties, dict) else None,
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def check_arguments(arguments: object, function: Function | None, where: str, report: Report) -> None:
    """Check a call's arguments: the text of a JSON object, which fits the function as far as names go."""
    if not isinstance(arguments, str):
        report("arguments-not-string", where)
        return
    try:
        given = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        report("arguments-not-json", where)
    elif function is not None and not (
        function.required <= given.keys() and (function.known is None or given.keys() <= function.known)
    ):
        report("arguments-misfit", where)
