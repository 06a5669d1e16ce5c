"""Insights are compared once, and clusters stay."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from shared.pipelines.dedup import cluster_steps
from shared.pipelines.dedup.contracts import insight_id
from shared.pipelines.dedup.policy import Policy, policy
from tests.shared.pipelines.dedup.desk import Desk
from tests.shared.pipelines.dedup.plane import at_angles, counted, families, neighbours, standing, store


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Change how insights are put together: ``rules(max_size=3)``."""

    def change(**values: Any) -> None:
        changed = policy().clusters.model_copy(update=values)
        instead: Policy = policy().model_copy(update={"clusters": changed})
        monkeypatch.setattr(cluster_steps, "policy", lambda: instead)

    return change


# --- clustering -----------------------------------------------------------------------------------------------------


def test_insights_that_look_alike_are_put_before_people(desk: Desk) -> None:
    at_angles(desk, north=0, nord=10, up=20, south=180, down=190, east=90)
    result = desk.run("cluster")
    assert result | {"embedding_model": "made@1", "threshold": 0.8, "linkage": "complete"} == result
    assert (result["insights"], result["compared"], result["neighbours"]) == (6, 6, 4)
    assert (result["clustered_insights"], result["largest"]) == (5, 3)
    assert counted(result) == (2, 2, 0, 0)
    assert sorted(standing(desk).values()) == [("down", "south"), ("nord", "north", "up")]
    ((low, mean, high, origin),) = desk.rows(
        "SELECT similarity_min, similarity_mean, similarity_max, origin FROM clusters ORDER BY similarity_min LIMIT 1"
    )
    assert (low, mean, high) == pytest.approx((0.9397, 0.9698, 0.9848), abs=1e-4)
    assert origin == "clustering"
    assert {item.id for item in desk.waiting()} == set(standing(desk))


def test_no_insights_no_clusters(desk: Desk) -> None:
    result = desk.run("cluster")
    assert (result["insights"], result["clusters"], result["embedding_model"]) == (0, 0, None)
    at_angles(desk, alone=0)
    assert desk.run("cluster")["clusters"] == 0


def test_again_the_same(desk: Desk) -> None:
    store(desk, families(300))
    first = desk.run("cluster")
    before = standing(desk), neighbours(desk), desk.rows("SELECT id, updated_at FROM clusters ORDER BY id")
    again = desk.run("cluster")
    assert first["clusters"] > 30
    assert again["compared"] == 0
    assert counted(again) == (first["clusters"], 0, 0, 0)
    assert (standing(desk), neighbours(desk), desk.rows("SELECT id, updated_at FROM clusters ORDER BY id")) == before


def test_only_new_insights_are_compared_and_all_neighbours_are_known(desk: Desk) -> None:
    vectors = families(400)
    store(desk, vectors[:250])
    desk.run("cluster")
    store(desk, vectors[250:], start=250)
    assert desk.run("cluster")["compared"] == 150
    bit_by_bit, clusters = neighbours(desk), set(standing(desk).values())
    desk.change("UPDATE insights SET compared = false")
    desk.change("DELETE FROM neighbours")
    assert desk.run("cluster")["compared"] == 400
    assert neighbours(desk) == bit_by_bit != []
    assert set(standing(desk).values()) == clusters


def test_a_cluster_keeps_its_id_while_it_grows(desk: Desk) -> None:
    at_angles(desk, north=0, nord=10, south=180, down=190)
    desk.run("cluster")
    before = {members: cluster_id for cluster_id, members in standing(desk).items()}
    at_angles(desk, up=20)
    assert counted(desk.run("cluster")) == (2, 0, 1, 0)
    after = {members: cluster_id for cluster_id, members in standing(desk).items()}
    assert after["nord", "north", "up"] == before["nord", "north"]
    assert after["down", "south"] == before["down", "south"]


def test_the_same_insights_give_the_same_ids_after_a_reset(desk: Desk) -> None:
    at_angles(desk, north=0, nord=10, south=180, down=190)
    desk.run("cluster")
    before = standing(desk)
    desk.change("TRUNCATE clusters, cluster_members, neighbours, neighbour_scans, insights CASCADE")
    at_angles(desk, down=190, north=0, south=180, nord=10)
    desk.run("cluster")
    assert standing(desk) == before


def test_an_id_that_went_on_with_others_is_not_given_again(desk: Desk) -> None:
    """a and b make a cluster; c, d and e come between; then most of it is without a and b."""
    at_angles(desk, a=0, b=8)
    desk.run("cluster", threshold=0.98)
    ((first, _),) = standing(desk).items()
    at_angles(desk, c=4, d=5, e=6)
    desk.run("cluster", threshold=0.98)
    assert standing(desk) == {first: ("a", "b", "c", "d", "e")}
    desk.change("DELETE FROM cluster_members WHERE insight_id = ANY(%s)", [insight_id("a"), insight_id("b")])
    desk.change("UPDATE insights SET merged_into = %s WHERE statement IN ('c', 'd')", insight_id("e"))
    desk.change("UPDATE insights SET merged_into = %s WHERE statement = 'e'", insight_id("b"))
    result = desk.run("cluster", threshold=0.98)
    assert counted(result) == (1, 1, 0, 1)
    ((second, members),) = standing(desk).items()
    assert members == ("a", "b")
    assert second != first
    assert desk.rows("SELECT state FROM clusters WHERE id = %s", first) == [("retired",)]


def test_a_cluster_that_comes_back_has_its_old_id(desk: Desk) -> None:
    at_angles(desk, north=0, nord=20)
    desk.run("cluster")
    before = standing(desk)
    assert counted(desk.run("cluster", threshold=0.95)) == (0, 0, 0, 1)
    assert standing(desk) == {}
    assert counted(desk.run("cluster")) == (1, 1, 0, 0)
    assert standing(desk) == before


def test_a_lower_threshold_compares_again_and_a_higher_one_does_not(desk: Desk) -> None:
    at_angles(desk, a=0, b=40, c=180, d=190)
    assert desk.run("cluster")["neighbours"] == 1
    lower = desk.run("cluster", threshold=0.7)
    assert (lower["compared"], lower["neighbours"], lower["clusters"]) == (4, 2, 2)
    higher = desk.run("cluster")
    assert (higher["compared"], higher["neighbours"], higher["clusters"]) == (0, 1, 1)


def test_linkage_is_chosen(desk: Desk) -> None:
    at_angles(desk, a=0, b=10, c=31)
    assert desk.run("cluster", threshold=0.87)["largest"] == 2
    assert desk.run("cluster", threshold=0.87, linkage="average")["largest"] == 3


def test_clusters_and_neighbours_are_bounded(desk: Desk, rules: Callable[..., None]) -> None:
    store(desk, np.ones((50, 4)) + 0.01 * np.random.default_rng(1).standard_normal((50, 4)))
    rules(max_size=4, max_neighbours=6)
    result = desk.run("cluster")
    assert result["largest"] == 4
    assert result["neighbours"] <= 50 * 6
    assert result["dropped"] == 50 * 49 / 2 - result["neighbours"]
    rules(max_size=4, max_neighbours=50)
    again = desk.run("cluster")
    assert (again["compared"], again["neighbours"], again["dropped"]) == (50, 50 * 49 / 2, 0)


def test_vectors_of_several_models_are_refused(desk: Desk) -> None:
    store(desk, np.eye(4))
    store(desk, np.eye(4), model="other@2", start=4)
    error = desk.refusal("cluster")
    assert error["code"] == "embeddings-mixed"
    assert "dedup.reembed" in error["advice"]
    assert desk.rows("SELECT FROM neighbours") == []


def test_vectors_of_several_sizes_are_refused(desk: Desk) -> None:
    store(desk, np.eye(4))
    store(desk, np.eye(3), start=4)
    assert "dedup.reembed" in desk.refusal("cluster")["advice"]
