"""Neighbours are found exactly, however they are computed."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shared.pipelines.dedup import neighbours
from shared.pipelines.dedup.neighbours import Found, compared, near_duplicates

ROUNDING = 1e-5
Pairs = dict[tuple[int, int], float]


def unit(vectors: Any) -> Any:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def some(count: int, dimensions: int = 64, seed: int = 7) -> Any:
    """Vectors of which every third is close to another, at many distances."""
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((count, dimensions))
    copies = random.integers(0, count, (2, count // 3))
    noise = random.uniform(0, 1, (count // 3, 1)) * random.standard_normal((count // 3, dimensions))
    vectors[copies[1]] = vectors[copies[0]] + noise
    return unit(vectors)


def exact(vectors: Any, threshold: float) -> Pairs:
    cosines = np.triu(vectors.astype(np.float64) @ vectors.T.astype(np.float64), 1)
    first, second = np.nonzero(cosines >= threshold)
    return {(int(i), int(j)): float(cosines[i, j]) for i, j in zip(first, second, strict=True)}


def found(*tiles: Found) -> Pairs:
    return {
        (int(i), int(j)): float(s)
        for tile in tiles
        for i, j, s in zip(tile.first, tile.second, tile.similarity, strict=True)
    }


def assert_exact(pairs: Pairs, vectors: Any, threshold: float) -> None:
    """Every pair clearly above the threshold is there, none clearly below is, and similarities are right."""
    wanted = exact(vectors, threshold - ROUNDING)
    assert pairs.keys() <= wanted.keys()
    assert exact(vectors, threshold + ROUNDING).keys() <= pairs.keys()
    assert all(abs(similarity - wanted[pair]) < ROUNDING for pair, similarity in pairs.items())


@pytest.fixture(params=["bfloat16", "float32", "numpy alone"])
def arithmetic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute as a processor with bfloat16 does, as one without, and as a worker that has no torch."""
    if request.param == "numpy alone":
        monkeypatch.setattr(neighbours, "find_spec", lambda _: None)
    monkeypatch.setattr(neighbours, "_FEW", 0)
    fast = request.param == "bfloat16"
    monkeypatch.setattr(neighbours, "_bf16_is_fast", lambda: fast)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few vectors be many tiles, with pairs in chunks."""
    monkeypatch.setattr(neighbours, "ROWS", 32)
    monkeypatch.setattr(neighbours, "_COLUMNS", 80)
    monkeypatch.setattr(neighbours, "_CHUNK", 48)


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.8, 0.99])
def test_all_pairs_and_no_others_are_found(arithmetic: None, small_tiles: None, threshold: float) -> None:
    vectors = some(333)
    tiles = list(compared(vectors, threshold))
    assert_exact(found(*tiles), vectors, threshold)
    assert [(tile.start, tile.stop) for tile in tiles] == [*pairwise(range(0, 333, 32)), (320, 333)]
    assert all(tile.dropped == 0 for tile in tiles)
    assert list(near_duplicates(vectors, threshold)) == [(*pair, s) for pair, s in found(*tiles).items()]


def test_tiles_of_the_real_size(arithmetic: None) -> None:
    vectors = some(2 * neighbours.ROWS + 100, dimensions=384)
    pairs = found(*compared(vectors, 0.8))
    assert len(pairs) > 100
    assert_exact(pairs, vectors, 0.8)


@given(
    arrays(np.float64, st.tuples(st.integers(1, 40), st.just(8)), elements=st.floats(-1, 1, width=16)),
    st.floats(0.1, 0.95),
)
@settings(max_examples=60, deadline=None)
def test_rounding_hides_no_pair(vectors: Any, threshold: float) -> None:
    vectors[:, 0] += 1.5 * (np.linalg.norm(vectors, axis=1) < 1e-3)  # none has length 0
    vectors = unit(vectors)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_FEW", 0)
        patch.setattr(neighbours, "_bf16_is_fast", lambda: True)
        pairs = found(*compared(vectors, threshold))
    assert_exact(pairs, vectors, threshold)


def test_pairs_at_the_threshold_are_found(arithmetic: None) -> None:
    """Where bfloat16 cannot tell a pair from the threshold, float32 does."""
    random = np.random.default_rng(3)
    first = unit(random.standard_normal((200, 384)))
    other = random.standard_normal((200, 384))
    other -= np.sum(other * first, axis=1, keepdims=True) * first
    cosine = 0.8 + np.linspace(-1e-3, 1e-3, 200)[:, None]
    vectors = unit(np.concatenate((first, cosine * first + np.sqrt(1 - cosine**2) * unit(other))))
    assert_exact(found(*compared(vectors, 0.8)), vectors, 0.8)


def test_new_vectors_are_compared_with_all_and_known_ones_with_none(arithmetic: None, small_tiles: None) -> None:
    vectors = some(300)
    known = found(*compared(vectors[:200], 0.5))
    new = found(*compared(vectors, 0.5, new_from=200))
    assert all(j >= 200 for _, j in new)
    assert known | new == pytest.approx(found(*compared(vectors, 0.5)), abs=ROUNDING)
    assert list(compared(vectors, 0.5, new_from=300)) == []


def test_a_vector_keeps_its_closest_neighbours_among_those_before_it(arithmetic: None, small_tiles: None) -> None:
    vectors = unit(np.ones((200, 64)) + 0.1 * np.random.default_rng(1).standard_normal((200, 64)))
    everything = exact(vectors, 0.9)
    assert len(everything) == 200 * 199 / 2
    tiles = list(compared(vectors, 0.9, max_neighbours=5))
    pairs = found(*tiles)
    for j in range(200):
        before = sorted((everything[i, j] for i in range(j)), reverse=True)[:5]
        assert sorted((s for (_, k), s in pairs.items() if k == j), reverse=True) == pytest.approx(before, abs=ROUNDING)
    assert sum(tile.dropped for tile in tiles) == len(everything) - len(pairs)


def test_equal_vectors_keep_the_earliest_neighbours(arithmetic: None, small_tiles: None) -> None:
    vectors = unit(np.ones((100, 16)))
    pairs = found(*compared(vectors, 0.9, max_neighbours=3))
    assert set(pairs) == {(i, j) for j in range(100) for i in range(min(j, 3))}


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_compare(arithmetic: None, count: int) -> None:
    assert list(near_duplicates(unit(np.ones((count, 4))), 0.5)) == []


def test_vectors_that_cannot_be_written_to_are_read(arithmetic: None) -> None:
    vectors = some(100)
    vectors.flags.writeable = False
    assert_exact(found(*compared(vectors, 0.5)), vectors, 0.5)


def test_vectors_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="rows of a matrix"):
        list(near_duplicates(np.ones(4, np.float32), 0.5))


def test_what_is_faster_is_measured() -> None:
    measure: Callable[[], bool] = neighbours._bf16_is_fast.__wrapped__
    assert measure() in {True, False}
