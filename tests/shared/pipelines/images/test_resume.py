"""A training that is killed again and again ends with the same bytes as one that nobody disturbed."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared import jobs
from shared.contracts import JobState
from shared.loop.checkpoints import WING
from tests.shared.pipelines.images.gallery import hang
from tests.shared.pipelines.images.studio import Studio

ROOT = Path(__file__).parents[4]
EPOCHS = 5


@pytest.fixture
def run_dying(studio: Studio, environment: dict[str, str]) -> Iterator[Callable[[str, int], bool]]:
    """Run a job in a process that is killed (-9) at a point; the answer is whether it came that far."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.dying", "shared.pipelines.images.train"], cwd=ROOT,
        env=environment | {"OMP_NUM_THREADS": "1"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip

        def run(job_id: str, point: int) -> bool:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{job_id} {point}\n")
            process.stdin.flush()
            return process.stdout.readline().strip() == "killed"

        yield run
        process.stdin.close()  # type: ignore[union-attr]  # a pipe


def rescued(studio: Studio, job_id: str) -> None:
    """Let the lease of a dead worker run out, as the sweep finds it."""
    with studio.database.transaction() as conn:
        conn.execute("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = %s", [job_id])
        assert [job.id for job in jobs.rescue(conn)] == [job_id]
        conn.execute("UPDATE jobs SET failures = 0 WHERE id = %s", [job_id])  # no limit to kills here


def test_killed_again_and_again_it_ends_with_the_same_weights(
    studio: Studio, run_dying: Callable[[str, int], bool]
) -> None:
    hang(studio, webcams=8, each=8)
    studio.run("freeze", surface="regression")
    undisturbed = studio.run("train", surface="regression", epochs=EPOCHS)
    job_id = studio.submit("train", surface="regression", epochs=EPOCHS)
    kept: list[tuple[int, str]] = []
    for point in (30, 24, 30):  # what counts is that each is somewhere else: reports come when they like
        assert run_dying(job_id, point)
        rescued(studio, job_id)
        kept += studio.rows("SELECT attempt, sha256 FROM job_checkpoints WHERE job_id = %s", job_id)
    assert len(set(kept)) > 1, "no attempt came on from where the one before it was killed"
    job = studio.finish(job_id)
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result is not None
    assert job.result["manifest"] == undisturbed["manifest"]
    assert job.result["metrics"]["epochs"] == EPOCHS
    assert not studio.rows("SELECT FROM job_checkpoints"), "a finished training keeps no checkpoint"


def test_checkpoints_that_nobody_needs_are_deleted(studio: Studio) -> None:
    hang(studio, webcams=8, each=8)
    studio.run("freeze", surface="binary")
    studio.run("train", surface="binary", epochs=2)
    left = list(studio.store.wing(WING).blobs())
    assert len(left) == 1, "each checkpoint takes the place of the one before it"
