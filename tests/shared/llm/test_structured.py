"""Reading JSON that a model wrote: whatever it is, it is refused with a fault or safe to keep."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.llm.structured import Bounds, MisfitError, read_answer, schema_faults, storable, strict_json, takes_strict

SCHEMA = {
    "type": "object",
    "properties": {
        "decision": {"type": "string", "minLength": 1},
        "confidence": {"enum": ["low", "medium", "high"]},
        "evidence": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
    },
    "required": ["decision", "confidence", "evidence"],
    "additionalProperties": False,
}
FITTING = {"decision": "hire", "confidence": "low", "evidence": ["signals.quotes.count=4"]}

any_json: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def rule_of(text: str, **bounds: int) -> str:
    with pytest.raises(MisfitError) as caught:
        strict_json(text, Bounds(**bounds))
    (fault,) = caught.value.faults
    return fault.rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "not-json"),
        ("yes", "not-json"),
        ("{'a': 1}", "not-json"),
        ('```json\n{"a": 1}\n```', "not-json"),
        ('{"a": 1} and more', "not-json"),
        ('{"a": 1}{"a": 1}', "not-json"),
        ('\ufeff{"a": 1}', "not-json"),
        ('{"a": 1, "a": 1}', "duplicate-key"),
        ('{"b": [{"a": 1, "\\u0061": 2}]}', "duplicate-key"),
        ("[NaN]", "not-a-number"),
        ("-Infinity", "not-a-number"),
        ("1e999", "not-a-number"),
        ("9" * 21, "not-a-number"),
        ("9" * 10_000, "not-a-number"),
        ('"\\u0000"', "bad-text"),
        ('{"\\ud800": 1}', "bad-text"),
        ('["\ud800"]', "bad-text"),
        ("[" * 33 + "]" * 33, "too-deep"),
        ("[" * 60_000, "too-deep"),
        ('{"a":' * 10_000, "too-deep"),
        ("[" + "1," * 1000 + "1]", "too-large"),
        (json.dumps("x" * 70_000), "too-large"),
    ],
)
def test_what_is_refused(text: str, rule: str) -> None:
    assert rule_of(text) == rule


def test_brackets_in_texts_are_not_nesting() -> None:
    text = json.dumps({"a": "[{" * 1000, "b": '\\"[[['})
    assert strict_json(text) == json.loads(text)


@given(any_json)
def test_what_is_read_is_what_was_said(value: Any) -> None:
    text = json.dumps(value)
    try:
        read = strict_json(text)
    except MisfitError:
        return
    assert json.dumps(read) == text
    json.dumps(read, allow_nan=False, ensure_ascii=False).encode()
    assert "\x00" not in json.dumps(read, ensure_ascii=False)


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=())) | st.text('[]{}",:\\u0Da1 ', max_size=60))
@example('"\\')
@example('{"a":"\\"}')
def test_no_text_does_harm(text: str) -> None:
    try:
        value = strict_json(text)
    except MisfitError as error:
        assert error.faults  # noqa: PT017
        return
    json.dumps(value, allow_nan=False).encode()


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=())))
def test_a_stored_text_is_storable(text: str) -> None:
    stored = storable(text)
    assert "\x00" not in stored
    assert len(stored) == len(text)
    assert stored.encode().decode() == stored


def test_an_answer_that_fits() -> None:
    assert read_answer(json.dumps(FITTING), SCHEMA) == FITTING


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"decision": ""}, ["schema-minLength"]),
        ({"decision": None}, ["schema-type"]),
        ({"confidence": "sure"}, ["schema-enum"]),
        ({"evidence": ["a"] * 4}, ["schema-maxItems"]),
        ({"evidence": [1, "a", {}]}, ["schema-type", "schema-type"]),
        ({"canary": "canary"}, ["schema-additionalProperties"]),
        ({"decision": 1, "confidence": 2}, ["schema-type", "schema-enum"]),
    ],
)
def test_faults_name_the_rule_and_never_quote(change: dict[str, Any], rules: list[str]) -> None:
    marked = {key: ("canary" if value == "sure" else value) for key, value in change.items()}
    with pytest.raises(MisfitError) as caught:
        read_answer(json.dumps(FITTING | marked), SCHEMA)
    assert sorted(fault.rule for fault in caught.value.faults) == sorted(rules)
    assert "canary" not in str(caught.value)
    assert all(len(fault.message) < 300 for fault in caught.value.faults)


def test_what_is_missing_is_named() -> None:
    (fault,) = schema_faults({"decision": "x", "evidence": []}, SCHEMA)
    assert fault.message == "the answer must have all of: decision, confidence, evidence"


def test_ten_faults_are_enough() -> None:
    schema = {"type": "array", "items": {"type": "string"}}
    assert len(tuple(schema_faults(list(range(100)), schema))) == 10


def test_no_schema_is_fetched() -> None:
    with pytest.raises(Exception, match="Unresolvable"):
        tuple(schema_faults(1, {"$ref": "http://127.0.0.1:9/schema.json"}))


def test_what_openai_takes_as_strict() -> None:
    plain = SCHEMA | {"properties": {"decision": {"type": "string"}, "items": {"$ref": "#/$defs/pattern"}}}
    strict = plain | {"required": ["decision", "items"], "$defs": {"pattern": {"enum": [1, {"a": 1}]}}}
    assert takes_strict(strict)
    assert not takes_strict(SCHEMA)  # fine-tunes take no lengths
    assert not takes_strict(strict | {"required": ["decision"]})
    assert not takes_strict({key: value for key, value in strict.items() if key != "additionalProperties"})
    assert not takes_strict(strict | {"$defs": {"pattern": {"pattern": "x"}}})
    assert not takes_strict({"anyOf": [{"type": "object"}, {"type": "null"}]})
    nested = {"type": "object", "properties": {"a": {"type": "object"}}, "required": ["a"]}
    assert not takes_strict(nested | {"additionalProperties": False})
    assert takes_strict({"type": "array", "items": strict})
