"""JSON schemas of the contracts: whole ones for the documentation, and strict ones that a provider is held to."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from shared.contracts import Contract, JsonObject

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema_of(model: type[Contract]) -> JsonObject:
    """Return the whole JSON schema of a contract (draft 2020-12), with every bound and description."""
    return {"$schema": _DIALECT, **model.model_json_schema()}


@lru_cache(maxsize=16)
def output_schema_of(model: type[Contract]) -> JsonObject:
    """Return an output's schema in the subset that strict structured outputs accept, fine-tuned models included.

    Without references, and without lengths and patterns, which those models do not take: the guard checks them.
    """
    schema = model.model_json_schema()
    return _strict(schema, schema.get("$defs", {}))


def _strict(node: JsonObject, definitions: JsonObject) -> JsonObject:
    if "$ref" in node:
        return _strict(definitions[node["$ref"].rpartition("/")[2]], definitions)
    kind = node["type"]
    if kind == "object":
        members = {name: _strict(part, definitions) for name, part in node["properties"].items()}
        return {"type": kind, "properties": members, "required": list(members), "additionalProperties": False}
    if kind == "array":
        return {"type": kind, "items": _strict(node["items"], definitions)}
    choices = [node["const"]] if "const" in node else node.get("enum")
    return {"type": kind, "enum": choices} if choices else {"type": kind}


def property_names(model: type[Contract]) -> frozenset[str]:
    """Return every name that a contract gives to a field, at any depth, closed keys of maps included."""
    return frozenset(_names(model.model_json_schema()))


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from node.get("properties", ())
        yield from node.get("propertyNames", {}).get("enum", ())
        for part in node.values():
            yield from _names(part)
    elif isinstance(node, list):
        for part in node:
            yield from _names(part)
