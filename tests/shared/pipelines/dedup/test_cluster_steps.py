"""Insights are compared once, clusters stay, and nobody is asked twice."""

import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared import jobs
from shared.contracts import JobState, JsonObject
from shared.db.dedup import Clustered
from shared.ids import new_id
from shared.pipelines.dedup import cluster_steps
from shared.pipelines.dedup.cluster_steps import ClusterResult
from shared.pipelines.dedup.clusters import Likeness
from shared.pipelines.dedup.contracts import insight_id
from shared.pipelines.dedup.policy import Policy, policy
from tests.shared.pipelines.dedup.desk import Desk

ROOT = Path(__file__).parents[4]


def store(desk: Desk, vectors: Any, model: str = "made@1", start: int = 0) -> list[str]:
    """Store insights with these vectors, past the ingest; returns their ids."""
    made = [(f"statement {n}", row) for n, row in enumerate(vectors, start)]
    rows = [(insight_id(text), text, str([round(float(x), 6) for x in row]), model) for text, row in made]
    with desk.database.transaction() as conn, conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO insights (id, statement, embedding, embedding_model)"
            " SELECT %s, %s, l2_normalize(%s::vector), %s",
            rows,
        )
    return [row[0] for row in rows]


def at_angles(desk: Desk, **degrees: float) -> None:
    """Store insights with these statements in a plane: 10° apart is 0.985, 30° is 0.866, 40° is 0.766."""
    for statement, angle in degrees.items():
        desk.insight(statement, (math.cos(math.radians(angle)), math.sin(math.radians(angle))))


def families(count: int, seed: int = 3) -> Any:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((max(count // 4, 1), 16))
    return centres[random.integers(0, len(centres), count)] + 0.25 * random.standard_normal((count, 16))


def standing(desk: Desk, state: str = "open") -> dict[str, tuple[str, ...]]:
    """The clusters in a state, by id, with their statements."""
    found = desk.rows(
        "SELECT c.id, array_agg(i.statement ORDER BY i.statement) FROM clusters c"
        " JOIN cluster_members m ON m.cluster_id = c.id JOIN insights i ON i.id = m.insight_id"
        " WHERE c.state = %s GROUP BY c.id",
        state,
    )
    return {cluster_id: tuple(members) for cluster_id, members in found}


def neighbours(desk: Desk) -> list[tuple[Any, ...]]:
    return desk.rows("SELECT a, b, round(similarity::numeric, 4) FROM neighbours ORDER BY a, b")


def counted(result: JsonObject) -> tuple[Any, ...]:
    return tuple(result[name] for name in ("clusters", "new", "changed", "retired"))


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


# --- what people decided --------------------------------------------------------------------------------------------


def decided(desk: Desk, decision: str, *subset: str) -> str:
    """Four insights in one cluster, and a decision on it."""
    at_angles(desk, a=0, b=5, c=10, d=15)
    desk.run("cluster")
    ((cluster_id, members),) = standing(desk).items()
    assert members == ("a", "b", "c", "d")
    desk.decide(cluster_id, decision, *subset)
    return cluster_id


@pytest.mark.parametrize(("decision", "subset"), [("approve", ()), ("reject", ()), ("partial", ("a", "b"))])
@pytest.mark.parametrize("linkage", ["complete", "average"])
def test_decided_pairs_are_never_served_again(
    desk: Desk, decision: str, subset: tuple[str, ...], linkage: str
) -> None:  # fmt: skip
    cluster_id = decided(desk, decision, *subset)
    assert counted(desk.run("cluster", linkage=linkage)) == (0, 0, 0, 0)
    assert standing(desk, "decided") == {cluster_id: ("a", "b", "c", "d")}
    at_angles(desk, new=7)
    desk.run("cluster", linkage=linkage)
    for members in standing(desk).values():
        assert len(members) == 2
        assert "new" in members  # new with one of those that stand for the others
    assert len(standing(desk)) == 1


def test_what_was_merged_is_spoken_for(desk: Desk) -> None:
    """After a and b were merged, and a parted from c, b is not asked about with c either."""
    at_angles(desk, a=0, b=5)
    desk.run("cluster")
    (cluster_id,) = standing(desk)
    desk.decide(cluster_id, "approve")
    at_angles(desk, c=10)
    desk.run("cluster")
    assert list(standing(desk).values()) == [("a", "c")]
    (cluster_id,) = standing(desk)
    desk.decide(cluster_id, "reject")
    assert desk.run("cluster")["clusters"] == 0


def test_undone_decisions_are_asked_for_again_under_the_same_id(desk: Desk) -> None:
    cluster_id = decided(desk, "approve")
    desk.undo(cluster_id)
    assert counted(desk.run("cluster")) == (1, 0, 0, 0)
    assert standing(desk) == {cluster_id: ("a", "b", "c", "d")}


def test_a_cluster_that_somebody_has_answered_stays_as_it_is(desk: Desk) -> None:
    """One of two people has answered: nothing in it changes until the other has."""
    cluster_id = decided(desk, "reject")
    desk.change("DELETE FROM pairs")
    desk.change("UPDATE clusters SET state = 'open'")
    at_angles(desk, new=7)
    desk.run("cluster")
    assert standing(desk)[cluster_id] == ("a", "b", "c", "d")
    others = [members for each, members in standing(desk).items() if each != cluster_id]
    assert len(others) == 1
    assert len(others[0]) == 2


def test_a_proposal_about_a_new_insight_stays(desk: Desk) -> None:
    at_angles(desk, a=0, b=5, c=8)
    proposal = desk.cluster("a", "b")
    desk.change("UPDATE clusters SET origin = 'ingest'")
    desk.run("cluster")
    assert standing(desk)[proposal] == ("a", "b")
    assert [members for each, members in standing(desk).items() if each != proposal] == [("b", "c")]


def test_predictions_of_models_are_shown_with_clusters(desk: Desk) -> None:
    at_angles(desk, a=0, b=5, c=180)
    a, b = sorted((insight_id("a"), insight_id("b")))
    for probability in (0.2, 0.7):
        made = new_id("pred")
        desk.change(
            "INSERT INTO predictions (id, pipeline, surface, path, confidence, output)"
            " VALUES (%s, 'dedup', 'default', 'fallback', 0.7, '{}')",
            made,
        )
        desk.change("INSERT INTO pair_predictions VALUES (%s, %s, %s, 0.9, true, %s)", made, a, b, probability)
    desk.run("cluster")
    assert desk.rows("SELECT merge_probability FROM clusters")[0][0] == pytest.approx(0.7)


def test_what_people_decide_while_clusters_are_made_counts(desk: Desk) -> None:
    """a and b were parted, and d was merged, after the clusters had been computed and before they were written."""
    decided(desk, "reject")
    result = ClusterResult.model_validate(desk.run("cluster"))
    at_angles(desk, e=90, f=95, g=180, h=185)
    desk.change("UPDATE insights SET merged_into = %s WHERE statement = 'f'", insight_id("e"))
    groups = {
        tuple(sorted(map(insight_id, pair))): Likeness(0.9, 0.9, 0.9) for pair in (("a", "b"), ("e", "f"), ("g", "h"))
    }
    how = Clustered(embedding_model="made@1", linkage="complete", threshold=0.8, job_id=desk.submit("cluster"))
    with desk.database.transaction() as conn:
        written = cluster_steps._record(conn, groups=groups, how=how, result=result)
    assert (written.clusters, written.left_out) == (1, 2)
    assert set(standing(desk).values()) == {("g", "h")}


# --- killed ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def run_dying(desk: Desk, environment: dict[str, str]) -> Iterator[Callable[[str, int], bool]]:
    """Run a job in a process that is killed (-9) at a point; the answer is whether it came that far."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.dying"], cwd=ROOT, env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip

        def run(job_id: str, point: int) -> bool:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{job_id} {point}\n")
            process.stdin.flush()
            return process.stdout.readline().strip() == "killed"

        yield run
        process.stdin.close()  # type: ignore[union-attr]  # a pipe


def rescued(desk: Desk, job_id: str) -> None:
    """Let the lease of a dead worker run out, as the sweep finds it."""
    desk.change("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = %s", job_id)
    with desk.database.transaction() as conn:
        assert [job.id for job in jobs.rescue(conn)] == [job_id]
    desk.change("UPDATE jobs SET failures = 0 WHERE id = %s", job_id)  # no limit to how often it may be killed here


def test_killed_again_and_again_it_loses_nothing(desk: Desk, run_dying: Callable[[str, int], bool]) -> None:
    store(desk, families(3_300))
    compared = partial(desk.rows, "SELECT count(*) FROM insights WHERE compared")
    job_id = desk.submit("cluster")
    seen: list[int] = []
    for point in (31, 36, 42):  # about the first of four tiles, and later ones: reports of progress come when they like
        assert run_dying(job_id, point)
        rescued(desk, job_id)
        seen += compared()[0]
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]
    job = desk.finish(job_id)
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result is not None
    assert job.result["compared"] == 3_300 - seen[-1]  # nothing is compared twice
    found, clusters = neighbours(desk), standing(desk)
    assert len(found) > 1_000
    desk.change("TRUNCATE clusters, cluster_members, neighbours, neighbour_scans")
    assert desk.run("cluster")["compared"] == 3_300
    assert (neighbours(desk), standing(desk)) == (found, clusters)
