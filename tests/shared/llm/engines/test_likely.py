"""Probabilities of tokens: multiplied, they are those of whole answers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.llm.engines.likely import likelihoods
from shared.llm.engines.text import tokens_of

_words = st.lists(st.sampled_from(["merge", "not", "separate", "{", '"a"', "b", "ü"]), min_size=1, max_size=5)
_answers = st.lists(_words.map(" ".join), min_size=1, max_size=6, unique_by=lambda text: tuple(tokens_of(text)))


@given(_answers, st.data())
def test_together_they_are_as_likely_as_the_answer(answers: list[str], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.floats(0.01, 1), min_size=len(answers), max_size=len(answers)))
    shares = [weight / sum(weights) for weight in weights]
    told = likelihoods(answers[0], list(zip(answers, shares, strict=True)), 3)
    assert [token["token"] for token in told] == tokens_of(answers[0])
    # an answer that another one goes on from is as likely as both
    begun = sum(s for a, s in zip(answers, shares, strict=True) if tokens_of(a)[: len(told)] == tokens_of(answers[0]))
    longest = math.exp(sum(token["logprob"] for token in told))
    assert longest >= shares[0] - 1e-9
    assert longest == pytest.approx(begun) or any(len(tokens_of(a)) < len(told) for a in answers)
    for token in told:
        best = [one["logprob"] for one in token["top_logprobs"]]
        assert len(best) <= 3
        assert best == sorted(best, reverse=True)
        assert bytes(token["bytes"]).decode() == token["token"]


def test_what_cannot_be_has_a_number_too() -> None:
    (token,) = likelihoods("merge", [("merge", 0.0), ("separate", 1.0)], 2)
    assert token["logprob"] < -50
    assert token["top_logprobs"][0]["logprob"] == 0
