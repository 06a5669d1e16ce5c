"""Says what is wrong with a row: its paths and our own rules. What the row holds is never repeated."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from pydantic import ValidationError

from shared.pipelines.stages import contracts_inputs, contracts_outputs
from shared.pipelines.stages.contracts_schemas import property_names

_MOST: Final = 5
_OUR_WORDS: Final = {"missing": "is missing", "string_pattern_mismatch": "is no line of plain text of this kind"}
_TOLD: Final = frozenset(
    {
        *("literal_error", "too_long", "too_short", "string_too_long", "string_too_short", "greater_than_equal"),
        *("less_than_equal", "int_type", "string_type", "bool_type", "model_type", "tuple_type", "dict_type"),
    }
)
"""Kinds of pydantic's messages that only say what was expected."""


def named_faults(error: ValidationError) -> Iterator[str]:
    """Yield what is wrong, five faults at most. A name that the contract does not have is not repeated either."""
    for path, reason in faults_by_path(error):
        yield f"{path or 'it'} {reason}"


def faults_by_path(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Yield the path of each fault (empty: the whole) and what is wrong there, as ``named_faults`` says it."""
    for item in error.errors(include_url=False, include_input=False)[:_MOST]:
        place = item["loc"]
        if item["type"] == "extra_forbidden":
            yield _path(place[:-1]), "has a field that the contract does not have"
        else:
            yield _path(place), _reason(item)


def _path(place: tuple[int | str, ...]) -> str:
    named = [str(part) if isinstance(part, int) or part in _names() else "…" for part in place if part != "[key]"]
    return ".".join(named)


def _reason(item: Mapping[str, Any]) -> str:
    kind = item["type"]
    if kind == "value_error":
        return str(item["ctx"]["error"])  # of our own validators, which quote nothing
    if kind in _OUR_WORDS:
        return _OUR_WORDS[kind]
    return f"is wrong: {item['msg'][0].lower()}{item['msg'][1:]}" if kind in _TOLD else "has a value it cannot have"


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    models = (contracts_inputs.StageInput.__args__, contracts_outputs.StageOutput.__args__)
    return frozenset(name for union in models for model in union for name in property_names(model))
