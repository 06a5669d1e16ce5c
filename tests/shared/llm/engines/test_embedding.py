"""Vectors: of length 1, the same for ever, and near to each other where texts share words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.llm.engines.embedding import DIMENSIONS, embed


@given(text=st.text(max_size=200), dimensions=st.integers(1, 600))
def test_every_text_has_a_vector_of_length_1(text: str, dimensions: int) -> None:
    (vector,) = embed([text], dimensions)
    assert (vector.shape, vector.dtype) == ((dimensions,), np.dtype("<f4"))
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_texts_that_share_words_are_near() -> None:
    one, two, three = embed(["Invoices are overdue.", "an overdue invoice", "bake bread slowly"])
    assert one @ two > 0.25 > one @ three


def test_vectors_do_not_change_between_versions() -> None:
    """Who stored vectors compares them with new ones: a change here is a new base model."""
    (vector,) = embed(["the quick brown fox"])
    assert len(vector) == DIMENSIONS
    assert [round(float(x), 4) for x in vector[vector != 0][:4]] == [-0.1734, 0.1734, -0.1734, 0.2264]
