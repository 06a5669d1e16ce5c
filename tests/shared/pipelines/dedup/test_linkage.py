"""Clusters do not chain, and are what hierarchical clustering over all pairs gives."""

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from shared.pipelines.dedup.linkage import Graph, clusters
from shared.pipelines.dedup.neighbours import near_duplicates

Kind = Literal["complete", "average"]
UNBOUNDED = 10_000


def graph_of(vectors: Any, threshold: float) -> Graph:
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    pairs = list(near_duplicates(vectors, threshold))
    first, second, similarity = zip(*pairs, strict=True) if pairs else ((), (), ())
    return Graph(
        vectors, np.array(first, np.int64), np.array(second, np.int64), np.array(similarity, np.float32)
    )  # fmt: skip


def at_angles(*degrees: float) -> Any:
    """Vectors in a plane: the cosine of two of them is that of the angle between."""
    radians = np.radians(degrees)
    return np.stack((np.cos(radians), np.sin(radians)), axis=1)


def families(seed: int, count: int = 60, spread: float = 0.45) -> Any:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((count // 6, 12))
    return centres[random.integers(0, len(centres), count)] + spread * random.standard_normal((count, 12))


def joined(graph: Graph, kind: Kind, threshold: float, **bounds: Any) -> list[list[int]]:
    return clusters(graph, linkage=kind, threshold=threshold, **{"max_size": UNBOUNDED, **bounds})


@given(st.integers(0, 10_000), st.sampled_from(["complete", "average"]), st.floats(0.3, 0.9))
@settings(max_examples=80, deadline=None)
def test_the_same_as_over_all_pairs(seed: int, kind: Kind, threshold: float) -> None:
    graph = graph_of(families(seed), threshold)
    cosines = graph.vectors.astype(float) @ graph.vectors.T.astype(float)
    distances = 1 - cosines[np.triu_indices(len(cosines), 1)]
    labels = fcluster(linkage(distances, kind), 1 - threshold, criterion="distance")
    wanted = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    assert joined(graph, kind, threshold) == sorted(w for w in wanted if len(w) > 1)


@pytest.mark.parametrize("kind", ["complete", "average"])
def test_a_chain_is_not_one_cluster(kind: Kind) -> None:
    """Each is 20 degrees from the next, so all are connected; the ends have nothing in common."""
    graph = graph_of(at_angles(*range(0, 181, 20)), 0.9)
    found = joined(graph, kind, 0.9)
    assert found
    assert all(len(cluster) == 2 for cluster in found)


def test_average_linkage_takes_in_what_complete_linkage_leaves_out() -> None:
    graph = graph_of(at_angles(0, 10, 31), 0.87)  # cos 31° = 0.857, cos 21° = 0.934
    assert joined(graph, "complete", 0.87) == [[0, 1]]
    assert joined(graph, "average", 0.87) == [[0, 1, 2]]


@given(st.integers(0, 10_000), st.sampled_from(["complete", "average"]), st.integers(2, 7), st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_apart_stays_apart_and_no_cluster_is_too_large(
    seed: int, kind: Kind, max_size: int, data: st.DataObject
) -> None:
    graph = graph_of(families(seed), 0.6)
    pairs = list(zip(graph.first.tolist(), graph.second.tolist(), strict=True))
    apart = data.draw(st.lists(st.sampled_from(pairs), max_size=20)) if pairs else []
    found = joined(graph, kind, 0.6, max_size=max_size, apart=[pair[::-1] for pair in apart])
    places = [place for cluster in found for place in cluster]
    assert len(places) == len(set(places))
    assert all(2 <= len(cluster) <= max_size and cluster == sorted(cluster) for cluster in found)
    assert not any({a, b} <= set(cluster) for cluster in found for a, b in apart)
    if kind == "complete":
        cosines = graph.vectors @ graph.vectors.T
        assert all(cosines[np.ix_(cluster, cluster)].min() >= 0.6 - 1e-5 for cluster in found)


@pytest.mark.parametrize("kind", ["complete", "average"])
def test_the_order_of_pairs_changes_nothing(kind: Kind) -> None:
    graph = graph_of(families(5), 0.6)
    shuffle = np.random.default_rng(0).permutation(len(graph.first))
    again = Graph(graph.vectors, graph.first[shuffle], graph.second[shuffle], graph.similarity[shuffle])
    assert joined(again, kind, 0.6) == joined(graph, kind, 0.6) != []


@pytest.mark.parametrize("kind", ["complete", "average"])
def test_of_equally_similar_ones_the_earlier_join(kind: Kind) -> None:
    graph = graph_of(np.ones((6, 4)), 0.9)
    assert joined(graph, kind, 0.9, max_size=2) == [[0, 1], [2, 3], [4, 5]]
    assert joined(graph, kind, 0.9, max_size=4) == [[0, 1, 2, 3], [4, 5]]


@pytest.mark.parametrize("kind", ["complete", "average"])
def test_a_pair_is_a_cluster_unless_kept_apart_or_too_far(kind: Kind) -> None:
    graph = graph_of(at_angles(0, 20), 0.9)
    assert joined(graph, kind, 0.9) == [[0, 1]]
    assert joined(graph, kind, 0.9, apart=[(1, 0)]) == []
    assert joined(graph, kind, 0.95) == []


@pytest.mark.parametrize("kind", ["complete", "average"])
def test_nothing_similar_makes_no_cluster(kind: Kind) -> None:
    assert joined(graph_of(at_angles(0, 90), 0.5), kind, 0.5) == []
