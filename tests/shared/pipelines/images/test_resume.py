"""A training that is killed again and again ends with the same bytes as one that nobody disturbed."""

from collections.abc import Callable

from shared.contracts import JobState
from shared.loop.checkpoints import WING
from tests.shared.pipelines.images.gallery import hang
from tests.shared.pipelines.images.studio import Studio

EPOCHS = 5


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
        studio.rescue(job_id)
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
