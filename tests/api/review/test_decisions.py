"""A form's fields become a decision: paths, types, what is left out, and which field a fault belongs to."""

import pytest

from api.review.items.decisions import read_form
from shared.errors import InvalidInputError

CASES = [
    ([("decision", '{"stars": 3}'), ("subset:list", "a")], {"stars": 3}),
    ([("with-fields", '{"decision": "partial"}'), ("subset:list", "a"), ("subset:list", "b")],
     {"subset": ["a", "b"], "decision": "partial"}),
    ([("with-fields", "{}"), ("why:text?", " "), ("note:text?", "so"), ("text", "")], {"note": "so", "text": ""}),
    ([("with-fields", "{}"), ("stars:integer", "4"), ("share:number", "0.5"), ("sure:boolean", "true")],
     {"stars": 4, "share": 0.5, "sure": True}),
    ([("with-fields", "{}"), ("stars:integer", "many"), ("share:number", "true")], {"stars": "many", "share": "true"}),
    ([("with-fields", "{}"), ("tags:lines", " a \r\n\r\nb")], {"tags": ["a", "b"]}),
    ([("with-fields", "{}"), ("output:json", '{"a": [1]}'), ("rest:json", "{")], {"output": {"a": [1]}, "rest": "{"}),
    ([("with-fields", "{}"), ("evidence.0.metric:text?", ""), ("evidence.2.metric:text?", "late"),
      ("evidence.2.value:number?", "7"), ("evidence.10.metric:text?", "open")],
     {"evidence": [{"metric": "late", "value": 7}, {"metric": "open"}]}),
    ([("with-fields", '{"kept": 1}'), ("kept", "over"), ("csrf_token", "t"), ("reason", "r"), ("@note", "n")],
     {"kept": 1}),
    ([("with-fields", "{}"), ("a", "text"), ("a.b", "below a text")], {"a": "text"}),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "decision"), CASES)
def test_fields_become_a_decision(fields: list[tuple[str, str]], decision: object) -> None:
    assert read_form(fields).decision == decision


def test_a_note_goes_with_any_decision() -> None:
    assert read_form([("decision", '{"stars": 3}'), ("@note", " blurred ")]).note == "blurred"
    assert read_form([("decision", '{"stars": 3}'), ("@note", " ")]).note is None


def test_a_fault_finds_its_field_where_a_list_has_gaps() -> None:
    fields = [("with-fields", "{}"), ("evidence.0.metric:text?", ""), ("evidence.3.metric:text?", "late")]
    assert read_form(fields).names == {"evidence.0.metric": "evidence.3.metric:text?"}


@pytest.mark.parametrize("value", ["", "[]", "3", "{", '"approve"'])
def test_what_is_no_object_is_no_decision(value: str) -> None:
    with pytest.raises(InvalidInputError, match="no decision"):
        read_form([("decision", value)])
