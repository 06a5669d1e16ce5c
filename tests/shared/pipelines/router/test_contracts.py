"""What counts as a query, a label and the same question."""

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInputError
from shared.ids import canonical_json, content_id
from shared.pipelines.router.contracts import check_query, example_id, group_of, parse_label, parse_query

queries = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "not text"),
        (7, "not text"),
        ("", "empty"),
        (" \n\t", "empty"),
        ("a\0b", "NUL"),
        ("x" * 10_001, "10,001 characters"),
        ("\ud800", "surrogate"),
    ],
)
def test_what_is_no_query_is_refused_without_quoting_it(raw: object, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason) as refused:
        check_query(raw)
    assert not isinstance(raw, str) or len(raw) < 3 or raw not in refused.value.message


def test_a_query_may_be_text_or_an_object() -> None:
    assert parse_query("why?") == "why?"
    assert parse_query({"query": "why?"}) == "why?"
    with pytest.raises(InvalidInputError):
        parse_query({"text": "why?"})


@pytest.mark.parametrize("raw", ["EASY", "easy", " Easy "])
def test_a_label_is_read_in_any_case(raw: str) -> None:
    assert parse_label(raw) == "EASY"


@pytest.mark.parametrize("raw", ["UNCERTAIN", "", None, 1, ["EASY"], "EASYY"])
def test_other_labels_are_refused(raw: object) -> None:
    with pytest.raises(InvalidInputError, match="EASY, MEDIUM or HARD"):
        parse_label(raw)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 3 plus 12?", "what is 1,250 plus 4"),
        ("  Is 7 prime ?", "is 11 prime?"),
        ("ÜBER 3 Straßen", "über 44 STRASSEN!"),
        ("ﬁve apples", "five apples"),
        ("\uff13 apples", "7 apples"),
    ],
)
def test_the_same_question_in_other_clothes_is_one_group(one: str, other: str) -> None:
    assert group_of(one) == group_of(other)


@pytest.mark.parametrize(
    ("one", "other"), [("is it?", "was it?"), ("!!!", "???"), ("नमस्ते", "नमस्त"), ("3 apples", "apples")]
)
def test_other_questions_are_other_groups(one: str, other: str) -> None:
    assert group_of(one) != group_of(other)


@given(queries)
def test_letter_case_and_form_never_change_the_group(query: str) -> None:
    assert group_of(query.swapcase().swapcase().lower()) == group_of(query.lower())
    assert group_of(unicodedata.normalize("NFKC", query) + "é") == group_of(query + "é")


@given(st.text(st.characters(max_codepoint=127, exclude_characters="\0"), min_size=1))
def test_the_fast_way_for_ascii_is_the_same_rule(query: str) -> None:
    # a letter that is not ASCII takes the other way through
    assert (group_of(query) == group_of(query.upper())) == (group_of("é" + query) == group_of("é" + query.upper()))


@given(queries, st.sampled_from(["EASY", "HARD"]), st.sampled_from([None, "pred_1"]))
def test_an_id_is_its_content_and_nothing_else(query: str, label: str, query_id: str | None) -> None:
    same = example_id(query, "EASY", query_id) == example_id(query, parse_label(label), query_id)
    assert same == (label == "EASY")
    assert example_id(query, "EASY", "pred_1") != example_id(query, "EASY")


@given(st.lists(queries))
def test_content_ids_hash_canonical_json(parts: list[str]) -> None:
    expected = hashlib.sha256(canonical_json(parts)).hexdigest()[:32]
    assert content_id("x", *parts) == f"x_{expected}"
