"""Schemas are judged as jsonschema judges them; whatever there is to start from, what comes out fits, or is refused."""

import json
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from shared.errors import InvalidInputError, RefusedError
from shared.llm.engines.fitting import fit, value_of
from shared.llm.engines.schemas import check_schema

KEYS = st.sampled_from(["a", "b", "c"])
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 1.0, -2.5, "", "a", "bb", "2", "true"])
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(KEYS, v, max_size=3), max_leaves=8)
BOUND = st.integers(0, 3)


def _some(**keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keywords)


def _grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    node = _some(
        type=st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null", ["string", "null"]]),
        properties=st.dictionaries(KEYS, inner, max_size=3),
        required=st.lists(KEYS, max_size=2, unique=True),
        additionalProperties=inner,
        items=inner,
        prefixItems=st.lists(inner, min_size=1, max_size=2),
    )
    choice = st.sampled_from(["anyOf", "oneOf", "allOf"])
    return node | st.builds(lambda key, parts: {key: parts}, choice, st.lists(inner, min_size=1, max_size=3))


LEAVES = st.booleans() | _some(
    type=st.sampled_from(["string", "number", "integer", "boolean", "null", "array", "object"]),
    enum=st.lists(SCALARS, min_size=1, max_size=3),
    minLength=BOUND, maxLength=BOUND, minItems=BOUND, maxItems=BOUND, minProperties=BOUND, maxProperties=BOUND,
    minimum=st.integers(-3, 3), maximum=st.integers(-3, 3), exclusiveMinimum=st.integers(-3, 3),
    exclusiveMaximum=st.integers(-3, 3), multipleOf=st.sampled_from([1, 2, 0.5]), uniqueItems=st.booleans(),
    pattern=st.sampled_from(["^a", "b$", "^[a-z]{2}$", "^\\d+$", ""]),
)  # fmt: skip
SCHEMAS = st.recursive(LEAVES, _grown, max_leaves=6)


@given(schema=SCHEMAS, value=VALUES)
def test_a_value_fits_exactly_when_jsonschema_says_so(schema: Any, value: Any) -> None:
    assert check_schema(schema).accepts(value) == Draft202012Validator(schema).is_valid(value)


@given(schema=SCHEMAS, value=VALUES)
@example(schema={"type": "array", "uniqueItems": True, "minItems": 3, "items": {"type": "string"}}, value=["a", "a"])
def test_what_comes_out_fits_or_is_refused(schema: Any, value: Any) -> None:
    try:
        fitted = fit(check_schema(schema), value)
    except RefusedError:
        assume(False)  # noqa: FBT003  (hypothesis takes no keyword)
    Draft202012Validator(schema).validate(fitted)
    assert fit(check_schema(schema), value) == fitted
    if Draft202012Validator(schema).is_valid(value):
        assert fitted == value


@given(schema=SCHEMAS, value=VALUES)
def test_where_a_value_fits_nothing_is_refused(schema: Any, value: Any) -> None:
    assume(Draft202012Validator(schema).is_valid(value))
    fit(check_schema(schema), value)


ANSWER = {
    "type": "object",
    "properties": {
        "decision": {"type": "string", "minLength": 1},
        "confidence": {"enum": ["low", "medium", "high"]},
        "count": {"type": "integer", "minimum": 1},
        "evidence": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["decision", "confidence", "count", "evidence", "note"],
    "additionalProperties": False,
}


def test_the_least_answer_has_the_right_shape() -> None:
    least = fit(check_schema(ANSWER))
    assert least == {"decision": ".", "confidence": "low", "count": 1, "evidence": [""], "note": ""}


def test_what_nearly_fits_is_kept() -> None:
    near = {"confidence": " HIGH", "decision": "Call", "count": "7", "evidence": "one", "more": 1}
    assert fit(check_schema(ANSWER), near) == {
        "decision": "Call", "confidence": "high", "count": 7, "evidence": ["one"], "note": "",
    }  # fmt: skip
    assert list(fit(check_schema(ANSWER), near)) == list(ANSWER["properties"])  # type: ignore[call-overload]


def test_a_bare_text_goes_where_a_text_is_asked_for() -> None:
    assert fit(check_schema(ANSWER), "Call them")["decision"] == "Call them"
    assert value_of('Sure: {"a": 1}.') == {"a": 1}
    assert value_of("no JSON {") == "no JSON {"


def test_references_within_the_schema_are_followed() -> None:
    tree = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                },
                "required": ["name", "next"],
            }
        },
    }
    assert fit(check_schema(tree)) == {"name": "", "next": None}
    long = {"name": "a", "next": {"name": "b", "next": None, "x": 1}}
    assert fit(check_schema(tree), long) == long


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "#/$defs/nothing"},
        {"not": {}},
        {"if": {}},
        {"$id": "https://example.com"},
        {"$dynamicRef": "#a"},
        {"patternProperties": {"a": {}}},
        {"pattern": "(a+)+$"},
        {"pattern": "(a|a)*$"},
        {"pattern": "a*a*a*b"},
        {"pattern": "(?=a)"},
        {"pattern": "["},
        {"pattern": "a" * 300},
        {"type": "text"},
        {"type": []},
        {"enum": []},
        {"minLength": -1},
        {"minLength": True},
        {"multipleOf": 0},
        {"anyOf": []},
        {"properties": []},
        {"items": [{}]},
        {"required": "a"},
        7,
        {"maximum": float("nan")},
        {"properties": {f"p{n}": {"title": "x"} for n in range(3000)}},
    ],
)
def test_a_schema_of_another_kind_is_refused_before_any_work(schema: Any) -> None:
    with pytest.raises(InvalidInputError):
        check_schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"type": "object", "properties": {"l": {"$ref": "#"}, "r": {"$ref": "#"}}, "required": ["l", "r"]},
        {"allOf": [{"$ref": "#/$defs/a0"}]}
        | {"$defs": {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)} | {"a40": {}}},
    ],
)
def test_a_schema_that_never_ends_does(schema: Any) -> None:
    with pytest.raises(RefusedError):
        fit(check_schema(schema), "x")


def test_deep_schemas_and_values_do_no_harm() -> None:
    schema: Any = {"type": "string"}
    for _ in range(2000):
        schema = {"items": schema}
    with pytest.raises((InvalidInputError, RefusedError)):
        fit(check_schema(schema))
    assert value_of("[" * 100_000) == "[" * 100_000
    nested = json.loads("[" * 200 + "]" * 200)
    fit(check_schema({"type": "array"}), nested)
