"""A disk that is full while a model is written: the old model stays active, and the training goes on later."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

from shared import models
from shared.contracts import JobState
from tests.shared.pipelines.images.gallery import hang, trained
from tests.shared.pipelines.images.studio import Studio
from workers.unit import run_job


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow over a page, as if there were no room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def active(studio: Studio) -> str | None:
    with studio.database.reading() as conn:
        model = models.active(conn, "images", "binary")
    return model.id if model else None


def test_a_full_disk_leaves_the_old_model_active(studio: Studio) -> None:
    hang(studio)
    old = trained(studio, epochs=8)["model_id"]
    promoted = studio.run("promote", surface="binary")
    assert promoted["promoted"], promoted["sentence"]
    job_id = studio.submit("train", surface="binary", epochs=9)
    with full_disk():
        run_job(job_id)
    job = studio.job(job_id)
    assert (job.state, job.failures) == (JobState.QUEUED, 1)
    assert job.error is not None
    assert job.error["code"] == "unavailable"
    assert active(studio) == old
    assert studio.rows("SELECT count(*) FROM models") == [(1,)]
    with studio.database.transaction() as conn:
        conn.execute("UPDATE jobs SET run_at = now() WHERE id = %s", [job_id])
    assert studio.finish(job_id).state is JobState.SUCCEEDED
    assert active(studio) == old
