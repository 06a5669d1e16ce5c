"""What pydantic finds wrong, in words for the person who fills in a form."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

_ID: Final = re.compile(r"^\^([a-z]+)_\[0-9a-f\]\{32\}\$$")
_PATTERNS: Final = {
    "^[0-9a-f]{64}$": "Choose a file, or enter the 64 digits of one that was uploaded.",
    "^[a-z][a-z0-9_]{0,62}$": "Use small letters, digits and _, with a letter first.",
    "^[a-z][a-z0-9_-]{0,62}$": "Use small letters, digits, - and _, with a letter first.",
}
_NO_SPACES: Final = re.compile(r"^\^\[\\x21-\\x7e\](\+|\{1,\d+\})\$$")

_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "This is required.",
    "int_type": "Enter a whole number.",
    "int_from_float": "Enter a whole number.",
    "float_type": "Enter a number.",
    "bool_type": "Say yes or no.",
    "dict_type": "Enter a JSON object: { … }.",
    "model_type": "Enter a JSON object: { … }.",
    "list_type": "Enter a JSON list: [ … ].",
    "tuple_type": "Enter a JSON list: [ … ].",
    "extra_forbidden": "There is no such field.",
    "json_invalid": "It holds text that cannot be kept.",
}


class Fault(NamedTuple):
    """What is wrong, and where: the path in the parameters. It never quotes what was typed."""

    place: tuple[int | str, ...]
    message: str


def faults_of(error: ValidationError) -> list[Fault]:
    """Return the faults, in the model's order."""
    found = error.errors(include_url=False, include_input=False)
    return [Fault(tuple(each["loc"]), _sentence(each["type"], each["msg"], each.get("ctx") or {})) for each in found]


def _sentence(kind: str, said: str, context: Mapping[str, Any]) -> str:
    if kind == "string_pattern_mismatch":
        return _of_pattern(str(context.get("pattern", "")))
    sentence = _SENTENCES.get(kind, said.removeprefix("Value error, "))
    return f"{sentence[:1].upper()}{sentence[1:]}{'' if sentence.endswith('.') else '.'}"


def _of_pattern(pattern: str) -> str:
    if found := _ID.match(pattern):
        return f"Enter an id: {found[1]}_ and 32 digits."
    if _NO_SPACES.match(pattern):
        return "Leave out spaces and letters with accents."
    return _PATTERNS.get(pattern, f"It does not fit the pattern {pattern}.")
