"""Example bodies for the documentation, made from a model's own fields."""

import re
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from shared.contracts import JsonObject

_HASH_PATTERN: Final = r"^[0-9a-f]{64}$"
_ID_PATTERN: Final = re.compile(r"\^([a-z]+)_\[0-9a-f\]\{32\}\$")
_SHA256_PATTERN: Final = r"^[0-9a-f]{64}$"
_ID: Final = "0192f0c1c2d37e8f9a0b1c2d3e4f5a6b"


def example_of(model: type[BaseModel]) -> JsonObject:
    """Return a body that fits the model: its fields' examples, or what is required, or its defaults."""
    example = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        if field.examples:
            example[key] = field.examples[0]
        elif field.is_required():
            example[key] = _invented(field)
        elif field.default is not None and field.default_factory is None:
            example[key] = field.default
    return example


def _invented(field: FieldInfo) -> Any:
    """Make a value up for a field that must be given: the first of its choices, an id, a hash, or some text."""
    if get_origin(field.annotation) is Literal:
        return get_args(field.annotation)[0]
    if get_origin(field.annotation) is dict:
        return {}
    for pattern in (getattr(rule, "pattern", None) for rule in field.metadata):
        if pattern and (found := _ID_PATTERN.fullmatch(pattern)):
            return f"{found[1]}_{_ID}"
        if pattern == _HASH_PATTERN:
            return "0" * 64
    return "…"
