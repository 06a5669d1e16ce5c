"""Any row that the contracts allow: hypothesis makes it from the contracts themselves, so no field is forgotten."""

from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from shared.contracts import Contract, JsonObject
from shared.pipelines.stages.contracts import Stage, StageInput, input_model, output_model, parse_input
from shared.pipelines.stages.contracts_inputs import Roles

_SENTENCES = st.sampled_from(
    ("Rest.", "Zwölf Tage 🪚, “noch” heute", "a" * 300, "é", "0", "x=1, y=2", "\uff26ull width")
)
_ENTRIES = st.builds(
    "{}={}".format,
    st.sampled_from(("a", "b.c_1", "quotes.sent", "roles.sales.deputy")),
    st.sampled_from(("1", "ü =", "true")),
)
"""From lists of few: a row has dozens of texts, and hypothesis spends a minute on letters otherwise."""


def raw_of(model: type[Contract]) -> st.SearchStrategy[JsonObject]:
    """The JSON of any value of a contract."""
    hints = model.__pydantic_fields__
    needed = {name: _field(field) for name, field in hints.items() if field.is_required()}
    optional = {name: _field(field) for name, field in hints.items() if not field.is_required()}
    made = st.fixed_dictionaries(needed, optional=optional)
    if model is Roles or "months" in hints:  # one part at least
        made = made.filter(lambda raw: any(raw.get(name) is not None for name in optional))
    return made


def inputs(stage: Stage) -> st.SearchStrategy[StageInput]:
    """Any input of a stage."""
    return raw_of(input_model(stage)).map(lambda raw: parse_input(stage, raw))


def rows(stage: Stage) -> st.SearchStrategy[tuple[JsonObject, JsonObject]]:
    """The JSON of any input and any output of a stage; the output need not fit the input."""
    return st.tuples(raw_of(input_model(stage)), raw_of(output_model(stage)))


def _field(field: FieldInfo) -> st.SearchStrategy[Any]:
    return _made(field.annotation, field.metadata)


def _made(kind: Any, bounds: list[Any]) -> st.SearchStrategy[Any]:  # noqa: PLR0911  (one for each kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _made(arguments[0], [*_flat(arguments[1:]), *bounds])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.one_of(*(_made(part, bounds) for part in arguments))
    if kind is type(None):
        return st.none()
    least, most = _bound(bounds, "min_length", 0), _bound(bounds, "max_length", 2)
    if origin is tuple:
        return st.lists(_made(arguments[0], []), min_size=least, max_size=min(most, 2), unique_by=_key)
    if origin is dict:
        return st.dictionaries(_made(arguments[0], []), _made(arguments[1], []), min_size=least, max_size=max(least, 3))
    if kind is str:
        return _ENTRIES if "=" in str(_bound(bounds, "pattern", "")) else _SENTENCES
    if kind is bool:
        return st.booleans()
    if kind is int:
        return st.integers(_bound(bounds, "ge", 0), _bound(bounds, "le", 1_000))
    return raw_of(kind)


def _flat(parts: Any) -> list[Any]:
    return [inner for part in parts for inner in (part.metadata if isinstance(part, FieldInfo) else [part])]


def _bound(bounds: list[Any], name: str, otherwise: Any) -> Any:
    found = [getattr(bound, name) for bound in bounds if getattr(bound, name, None) is not None]
    return found[0] if found else otherwise


def _key(item: Any) -> Any:
    """What must differ between the entries of a list: the name of an object."""
    if not isinstance(item, dict):
        return item
    return next(item[name] for name in ("name", "role", "rival", "factor", "action") if name in item)
