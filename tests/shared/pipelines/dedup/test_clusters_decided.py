"""Nobody is asked twice about a pair, and a clustering that is killed loses nothing."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from shared import jobs
from shared.contracts import JobState
from shared.db.dedup import Clustered
from shared.ids import new_id
from shared.pipelines.dedup import cluster_steps
from shared.pipelines.dedup.cluster_steps import ClusterResult
from shared.pipelines.dedup.clusters import Likeness
from shared.pipelines.dedup.contracts import insight_id
from tests.shared.pipelines.dedup.desk import Desk
from tests.shared.pipelines.dedup.plane import at_angles, counted, families, neighbours, standing, store

ROOT = Path(__file__).parents[4]

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
