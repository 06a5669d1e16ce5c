"""Copied values: found in training answers, filled anew from other questions."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.llm.engines.slots import fill, shape_of, slots_of, template_of

SNAPSHOT = {"signals": {"quotes": {"count": 42, "band": "high", "rate": 0.5, "late": True}, "list": [{"n": 7}]}}
OTHER = {"signals": {"quotes": {"count": 3, "band": 'so "low"', "rate": 1.25, "late": None}, "list": [{"n": 8}]}}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("signals.quotes.count=42", "signals.quotes.count=3"),
        ("signals.quotes.count=42, and signals.list[0].n=7.", "signals.quotes.count=3, and signals.list[0].n=8."),
        ("signals.list.0.n=7", "signals.list.0.n=8"),
        ('signals.quotes.band="high"', 'signals.quotes.band="so \\"low\\""'),
        ("signals.quotes.band=high", 'signals.quotes.band=so "low"'),
        ("signals.quotes.late=true", "signals.quotes.late=null"),
        ("signals.quotes.rate=0.5 signals.quotes.rate=0.5", "signals.quotes.rate=1.25 signals.quotes.rate=1.25"),
        # not copied: another value, another path, or the value is longer
        ("signals.quotes.count=43", "signals.quotes.count=43"),
        ("signals.quotes.count=420", "signals.quotes.count=420"),
        ("signals.quotes.count=42.5", "signals.quotes.count=42.5"),
        ("signals.jobs.count=42", "signals.jobs.count=42"),
        ("signals.quotes=42", "signals.quotes=42"),
    ],
)  # fmt: skip
def test_what_was_copied_is_copied_anew(answer: str, expected: str) -> None:
    assert fill(template_of(answer, SNAPSHOT), OTHER) == expected
    assert fill(template_of(answer, SNAPSHOT), SNAPSHOT) == answer


def test_in_a_json_answer_quotes_are_escaped() -> None:
    answer = json.dumps({"evidence": ["signals.quotes.count=42", 'signals.quotes.band="high"']})
    filled = json.loads(fill(template_of(answer, SNAPSHOT), OTHER))
    assert filled == {"evidence": ["signals.quotes.count=3", 'signals.quotes.band="so \\"low\\""']}


def test_a_path_that_is_not_there_stays_as_it_was() -> None:
    template = template_of("signals.quotes.count=42", SNAPSHOT)
    questions: tuple[Any, ...] = ({}, None, [], {"signals": {"quotes": {"count": {"deep": 1}}}}, "text")
    for question in questions:
        assert fill(template, question) == "signals.quotes.count=42"


def test_answers_that_differ_only_in_what_they_copied_have_one_shape() -> None:
    one, two = template_of("n=1 so", {"n": 1}), template_of("n=2 so", {"n": 2})
    assert one != two
    assert shape_of(one) == shape_of(two)
    assert slots_of([one, two]) == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c1"]), v, max_size=3),
    max_leaves=8,
)


@given(answer=st.text(alphabet='abc1.[]=0"\\ {}', max_size=60), question=JSON)
def test_an_answer_to_its_own_question_is_itself(answer: str, question: Any) -> None:
    assert fill(template_of(answer, question), question) == answer
