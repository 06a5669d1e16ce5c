"""The form by which a person rewrites what a stage answered: fields made from the contract and the answer as it is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from api.review.words import label
from shared.contracts import JsonObject
from shared.pipelines.stages.contracts import output_model
from shared.pipelines.stages.versions import Stage

Widget = Literal["sentence", "choice", "integer", "lines", "hidden"]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of the form. ``name`` has its type behind a colon, as ``pages/review.py`` says."""

    name: str
    path: str
    label: str
    widget: Widget
    value: str
    options: tuple[str, ...] = ()
    hint: str = ""
    most: int | None = None


@dataclass(frozen=True, kw_only=True)
class Group:
    """Fields that belong together. ``extra``: an empty one, for a statement that is not there yet."""

    name: str
    fields: tuple[Field, ...]
    extra: bool = False


_ROOT: Final = "output"
_PLURALS: Final[Mapping[str, str]] = {
    "signals": "Signal", "roles": "Role", "rivals": "Competitor", "moves": "Move", "actions": "Action",
}  # fmt: skip


def form_of(stage: Stage, output: JsonObject) -> tuple[Group, ...]:
    """Return the fields of an answer: each statement a group, one more that is empty, then the answer as a whole."""
    schema = _schema(stage)
    groups: list[Group] = []
    whole: list[Field] = []
    for name, raw in schema["properties"].items():
        told = _resolved(schema, raw)
        value, path = output.get(name), f"{_ROOT}.{name}"
        items = _resolved(schema, told.get("items", {}))
        if "properties" in told:
            groups.append(Group(name=label(name), fields=tuple(_fields(schema, told, path, _mapping(value)))))
        elif "properties" in items and isinstance(value, list) and value:
            groups.extend(_listed(schema, items, name, value, told.get("maxItems")))
        elif "properties" in items:
            whole.append(Field(name=f"{path}:json", path=path, label=label(name), widget="hidden", value="[]"))
        else:
            whole.append(_field(path, name, told, items, value))
    return (*groups, Group(name="As a whole", fields=tuple(whole)))


def _listed(schema: JsonObject, items: JsonObject, name: str, values: list[Any], most: int | None) -> Iterator[Group]:
    single = _PLURALS.get(name, label(name))
    for place, value in enumerate(values):
        fields = _fields(schema, items, f"{_ROOT}.{name}.{place}", _mapping(value), optional=True)
        yield Group(name=f"{single} {place + 1}", fields=tuple(fields))
    if most is None or len(values) < most:
        fields = _fields(schema, items, f"{_ROOT}.{name}.{len(values)}", {}, optional=True)
        yield Group(name=f"{single} {len(values) + 1}", fields=tuple(fields), extra=True)


def _fields(
    schema: JsonObject, told: JsonObject, path: str, value: JsonObject, *, optional: bool = False
) -> Iterator[Field]:
    for name, raw in told["properties"].items():
        each = _resolved(schema, raw)
        items = _resolved(schema, each.get("items", {}))
        yield _field(f"{path}.{name}", name, each, items, value.get(name), optional=optional)


def _field(path: str, name: str, told: JsonObject, items: JsonObject, value: Any, *, optional: bool = False) -> Field:
    """Return the field of one value. One of a listed statement is left out when it is empty: so is the statement."""
    may = "?" if optional else ""
    common: dict[str, Any] = {"path": path, "label": label(name), "hint": told.get("description", "")}
    text = "" if value is None else str(value)
    if "const" in told:
        return Field(name=f"{path}:text", widget="hidden", value=told["const"], **common)
    if "enum" in told:
        return Field(name=f"{path}:text{may}", widget="choice", value=text, options=tuple(told["enum"]), **common)
    if told.get("type") == "integer":
        return Field(name=f"{path}:integer{may}", widget="integer", value=text, **common)
    if told.get("type") == "array":
        lines = "\n".join(map(str, value)) if isinstance(value, list) else ""
        if options := tuple(items.get("enum", ())):
            common["hint"] = f"One a line, of: {', '.join(options)}."
        return Field(name=f"{path}:lines{may}", widget="lines", value=lines, options=options, **common)
    return Field(name=f"{path}:text{may}", widget="sentence", value=text, most=told.get("maxLength"), **common)


@cache
def _schema(stage: Stage) -> JsonObject:
    return output_model(stage).model_json_schema()


def _resolved(schema: JsonObject, told: JsonObject) -> JsonObject:
    ref = told.get("$ref")
    return {**schema["$defs"][ref.rpartition("/")[2]], **told} if ref else told


def _mapping(value: Any) -> JsonObject:
    """Return what is an object; a row of an older contract may have something else there."""
    return value if isinstance(value, dict) else {}
