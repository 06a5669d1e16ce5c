"""Forms made from a step's model: what the model's JSON schema says is the only truth.

``form_of`` says which fields a form has, ``written`` what its inputs hold for some values, and ``read`` turns what a
person sent back into parameters, or into faults beside the fields. Writing and reading undo each other.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from api.review.forms.faults import Fault, faults_of
from api.review.forms.values import KEEPS_SPACES, Given, Kind, Unreadable, text_of, value_of
from shared.contracts import JsonObject
from shared.files import UPLOAD_DESCRIPTION, UPLOAD_MARK

_LONG: Final = 500  # texts that may be so long get more than one line
_DEEPEST: Final = 3  # groups in groups; what is nested deeper is written as JSON
_TEXTS: Final = {"date": Kind.DATE, "date-time": Kind.TIME, UPLOAD_MARK: Kind.UPLOAD}
_SCALARS: Final = frozenset({"string", "integer", "number"})
_NUMBERS: Final = frozenset({"integer", "number"})

Schema = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a form. ``name`` is its path in the parameters, with dots."""

    name: str
    title: str
    kind: Kind
    schema: Schema
    hint: str = ""
    required: bool = False
    nullable: bool = False
    default: Any = None
    options: tuple[Any, ...] = ()
    fields: tuple["Field", ...] = field(default=())

    @property
    def is_number(self) -> bool:
        """Whether a number is meant."""
        return self.schema.get("type") in _NUMBERS

    @property
    def off(self) -> str:
        """What the opposite of a switch is called, if it has a name: ``dry-run``."""
        return str(self.schema.get("off", ""))

    @property
    def choices(self) -> list[str]:
        """The options as an input has them."""
        return [text_of(option) for option in self.options]

    @property
    def placeholder(self) -> str:
        """An example of what may be given."""
        examples = self.schema.get("examples")
        if not examples or self.kind in (Kind.UPLOAD, Kind.UPLOADS):
            return ""
        return next(iter(written_value(self, examples[0])), "")

    @property
    def least(self) -> Any:
        """The smallest number, as far as an input can say it."""
        over = self.schema.get("exclusiveMinimum")
        return self.schema.get("minimum", over + 1 if over is not None and self.schema["type"] == "integer" else over)

    @property
    def most(self) -> Any:
        """The largest number."""
        under = self.schema.get("exclusiveMaximum")
        return self.schema.get(
            "maximum", under - 1 if under is not None and self.schema["type"] == "integer" else under
        )

    @property
    def step(self) -> Any:
        """What numbers are multiples of; ``any`` for all."""
        return self.schema.get("multipleOf", 1 if self.schema["type"] == "integer" else "any")


Form = tuple[Field, ...]


def form_of(model: type[BaseModel]) -> Form:
    """Return the fields of a model, in its order."""
    schema = model.model_json_schema()
    return _fields(schema, schema.get("$defs", {}), "", 0)


def _fields(schema: Schema, defs: Schema, path: str, depth: int) -> Form:
    required = frozenset(schema.get("required", ()))
    return tuple(
        _field(part, defs, f"{path}{name}", required=name in required, depth=depth)
        for name, part in schema.get("properties", {}).items()
    )


def _field(schema: Schema, defs: Schema, name: str, *, required: bool, depth: int) -> Field:
    bare, nullable = _bare(schema, defs)
    kind = _kind(bare, defs, nullable=nullable, depth=depth)
    said = bare.get("description", "")
    title = name.rpartition(".")[2].replace("_", " ").strip()
    return Field(
        name=name, title=title[:1].upper() + title[1:], kind=kind, schema=bare,
        hint="" if said == UPLOAD_DESCRIPTION else said,
        required=required, nullable=nullable, default=bare.get("default"), options=_options(bare, defs, kind),
        fields=_fields(bare, defs, f"{name}.", depth + 1) if kind is Kind.GROUP else (),
    )  # fmt: skip


def _bare(schema: Schema, defs: Schema) -> tuple[Schema, bool]:
    """Follow references, and take ``null`` apart; what stands outside goes before what stands inside."""
    if "$ref" in schema:
        outside = {key: value for key, value in schema.items() if key != "$ref"}
        bare, nullable = _bare(defs[schema["$ref"].rpartition("/")[2]], defs)
        return {**bare, **outside}, nullable
    members = [member for member in schema.get("anyOf", ()) if member.get("type") != "null"]
    if len(members) == 1:
        outside = {key: value for key, value in schema.items() if key != "anyOf"}
        bare, nullable = _bare(members[0], defs)
        return {**bare, **outside}, nullable or len(schema["anyOf"]) > 1
    return schema, any(member.get("type") == "null" for member in schema.get("anyOf", ()))


def _kind(schema: Schema, defs: Schema, *, nullable: bool, depth: int) -> Kind:
    type_ = schema.get("type")
    if "enum" in schema or "const" in schema or (type_ == "boolean" and nullable):
        return Kind.CHOICE
    if type_ == "string":
        long = schema.get("maxLength", 0) >= _LONG
        return _TEXTS.get(schema.get("format", ""), Kind.LONG if long else Kind.TEXT)
    if type_ == "array":
        return _kind_of_list(_bare(schema.get("items", {}), defs)[0])
    if type_ == "object" and schema.get("properties") and depth < _DEEPEST:
        return Kind.GROUP
    return Kind.SWITCH if type_ == "boolean" else Kind.NUMBER if type_ in _NUMBERS else Kind.JSON


def _kind_of_list(items: Schema) -> Kind:
    if "enum" in items:
        return Kind.CHOICES
    if items.get("format") == UPLOAD_MARK:
        return Kind.UPLOADS
    return Kind.LINES if items.get("type") in _SCALARS else Kind.JSON


def _options(schema: Schema, defs: Schema, kind: Kind) -> tuple[Any, ...]:
    if kind is Kind.CHOICES:
        schema = _bare(schema["items"], defs)[0]
    if schema.get("type") == "boolean":
        return (True, False)
    return tuple(schema.get("enum", (schema["const"],) if "const" in schema else ()))


# --- from values to inputs ------------------------------------------------------------------------------------------


def written(form: Form, values: Mapping[str, Any] | None = None) -> Given:
    """Return what the inputs hold for these values, and for the defaults of what they leave out."""
    given: dict[str, Sequence[str]] = {}
    for each in form:
        value = (values or {}).get(each.name.rpartition(".")[2], each.default)
        if each.kind is Kind.GROUP:
            # an optional group that is not given stays empty: its own defaults would make it one that is
            given |= written(each.fields, value) if value is not None or not each.nullable else {}
        else:
            given[each.name] = written_value(each, value)
    return given


def written_value(each: Field, value: Any) -> list[str]:
    """Return what the inputs of one field hold for a value."""
    if value is None or (value == [] and each.kind in (Kind.LINES, Kind.UPLOADS) and not each.nullable):
        return []
    if each.kind is Kind.CHOICES:
        return [text_of(item) for item in value]
    return [text for text in [text_of(value, each.kind)] if each.kind is not Kind.SWITCH or value]


# --- from inputs to values ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """What was read from a form: the parameters, or what is wrong with it."""

    params: BaseModel | None
    faults: Mapping[str, str] = field(default_factory=dict)
    """By the name of a field; under the empty name: what is wrong with the whole."""


def read(model: type[BaseModel], form: Form, given: Given, deepest: int) -> Reading:
    """Read what a person sent, exactly as the API would read it as JSON."""
    faults: list[Fault] = []
    values = values_of(form, given, faults, deepest)
    if not faults:
        try:
            return Reading(model.model_validate_json(json.dumps(values), strict=True))
        except ValidationError as error:
            faults = faults_of(error)
    return Reading(None, _beside(form, faults))


def values_of(form: Form, given: Given, faults: list[Fault], deepest: int) -> JsonObject:
    """Return the values that the inputs hold, as JSON; what was left empty is left out. Adds to ``faults``."""
    values: JsonObject = {}
    for each in form:
        name = each.name.rpartition(".")[2]
        if each.kind is Kind.GROUP:
            inner = values_of(each.fields, given, faults, deepest)
            empty = all(value is None or value is False or value == [] for value in inner.values())
            values |= {name: None} if each.nullable and empty else {name: inner}
            continue
        try:
            values |= _value(each, given.get(each.name), name, deepest)
        except Unreadable as error:
            faults.append(Fault((each.name,), str(error)))
    return values


def _value(each: Field, texts: Sequence[str] | None, name: str, deepest: int) -> JsonObject:
    """Return the field's value under its name; nothing when its default is meant, or when it must be asked for."""
    if each.kind is Kind.SWITCH:
        return {name: texts is not None and any(text not in ("", "false", "0") for text in texts)}
    if each.kind is Kind.CHOICES:
        chosen = [option for option in each.options if text_of(option) in (texts or ())]
        return {name: chosen} if chosen or not each.nullable else {name: None}
    text = texts[-1].replace("\r\n", "\n") if texts else None
    if text is None:  # not sent at all
        return {}
    if text if each.kind in KEEPS_SPACES else text.strip():
        return {name: value_of(each.kind, each.schema, each.options, text, deepest)}
    return _nothing(each, name)


def _nothing(each: Field, name: str) -> JsonObject:
    """Return what an empty input means."""
    if each.nullable:
        return {name: None}
    if each.required:
        return {}
    empty = {Kind.LINES: [], Kind.UPLOADS: [], Kind.TEXT: "", Kind.LONG: ""}
    return {name: empty[each.kind]} if each.kind in empty else {}


def _beside(form: Form, faults: Sequence[Fault]) -> dict[str, str]:
    """Put each fault beside its field: the nearest one that the form has; the rest is about the whole form."""
    kinds = dict(_kinds(form))
    beside: dict[str, str] = {}
    for fault in faults:
        parts = [str(part) for part in fault.place]
        names = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
        name = next((each for each in names if each in kinds), "")
        below = fault.place[name.count(".") + 1 :] if name else fault.place
        beside.setdefault(name, _where(kinds.get(name), below) + fault.message)
    return beside


def _where(kind: Kind | None, below: Sequence[Any]) -> str:
    if not below:
        return ""
    if kind in (Kind.LINES, Kind.UPLOADS) and isinstance(below[0], int):
        return f"Line {below[0] + 1}: "
    return f"{'.'.join(map(str, below))}: " if kind in (None, Kind.JSON) else ""


def _kinds(form: Form) -> list[tuple[str, Kind]]:
    return [pair for each in form for pair in ((each.name, each.kind), *_kinds(each.fields))]
