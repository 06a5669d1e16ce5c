"""JSON that a page knows nothing of."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.review.render import environment
from api.review.views.shown import columns, ordered, place_of, prose, shape

HEX = "0" * 32
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def _show(value: Any) -> str:
    macros: Any = environment().get_template("values.html").module
    return str(macros.show(value, "result"))


@pytest.mark.parametrize(
    ("thing", "place"),
    [
        (f"job_{HEX}", f"/jobs/job_{HEX}"),
        (f"mdl_{HEX}", f"/models/mdl_{HEX}"),
        (f"ds_{HEX}", f"/datasets/ds_{HEX}"),
        (f"ex_{HEX}", f"/lineage/ex_{HEX}"),
        (f"key_{HEX}", ""),
        (f"job_{HEX}/../..", ""),
        ("gold.infer", ""),
        (None, ""),
    ],
)
def test_ids_lead_to_their_pages(thing: Any, place: str) -> None:
    assert place_of(thing) == place


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "nothing"), ([], "nothing"), ({}, "nothing"), ("", "nothing"), (True, "truth"), (0, "number"),
        ("0" * 64, "hash"), (f"mdl_{HEX}", "id"), ("a\nb", "long"), ("a", "text"), ({"a": 1}, "facts"),
        ([1, 2], "words"), ([{"a": 1}, {"b": 2}], "table"), ([{"a": 1}, 2], "lists"),
        ([{str(n): n for n in range(20)}], "lists"),
    ],
)  # fmt: skip
def test_a_value_is_shown_by_its_shape(value: Any, expected: str) -> None:
    assert shape(value) == expected


def test_what_people_read_first_comes_first() -> None:
    facts = {"rows": 3, "metrics": {"all": {"f1": 0.5}}, "sentence": "It passed.", "model_id": f"mdl_{HEX}"}
    assert list(ordered(facts)) == ["sentence", "rows", "model_id", "metrics"]
    assert columns([{"gate": "f1", "figures": {"f1": 1}, "outcome": "pass"}]) == ["gate", "outcome", "figures"]


def test_a_sentence_may_have_code_and_nothing_else() -> None:
    assert prose("run `a<b` <i>now</i>") == "run <code>a&lt;b</code> &lt;i&gt;now&lt;/i&gt;"


@settings(max_examples=40)
@given(value=_ANY)
def test_anything_can_be_shown_and_stays_text(value: Any) -> None:
    shown = _show({"value": value, "hostile": "<script>alert(1)</script>"})
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_what_is_very_long_is_cut_and_that_is_said() -> None:
    assert "and 950 more" in _show(list(range(1000)))
    assert "and 950 more" in _show({str(n): n for n in range(1000)})
    assert "and 950 more" in _show([{"n": n} for n in range(1000)])
    assert len(_show("x" * 1_000_000)) < 30_000
