"""The step ``score``: many images, in batches. An attempt that is killed has lost its last batch at most."""

import structlog

from shared.db import images
from shared.db.images import NewScore, StoredImage
from shared.errors import RefusedError
from shared.pipeline import Done, Run
from shared.pipelines.images.contracts import ImageInput
from shared.pipelines.images.scorer import Scored, Source, score_pictures, source_of, standing_of
from shared.pipelines.images.scoring_params import ScoreParams, ScoreResult

log = structlog.get_logger()

_PAGE = 256  # images that are written down together


def score_images(run: Run, params: ScoreParams) -> Done:
    """Score the images that who scores now has not scored yet. Raises RefusedError when there are no images."""
    source = source_of(standing_of(params.target_type))
    with run.reading() as conn:
        total = images.count_images(conn, params.image)
    if not total:
        raise RefusedError("there are no images to score", advice="import some first: images.import")
    after, unreadable = "", 0
    while page := _next(run, params, source, after):
        scored = score_pictures(source, [_input(image) for image in page])
        rows = [_row(params, image, each) for image, each in zip(page, scored, strict=True) if each.score]
        with run.fenced() as conn:
            images.put_scores(conn, run.job_id, rows)
        unreadable += len(page) - len(rows)
        after = page[-1].id
        run.report(_share(after), "scoring", images=len(rows), unreadable=unreadable)
    return Done(result=_result(run, params, source, unreadable))


def _next(run: Run, params: ScoreParams, source: Source, after: str) -> list[StoredImage]:
    with run.reading() as conn:
        return images.unscored(
            conn, surface=params.target_type, version=source.version, job_id=run.job_id, again=params.again,
            images=params.image, after=after, limit=_PAGE,
        )  # fmt: skip


def _share(image_id: str) -> float:
    """Return how far through all ids an image is: they are hashes, so they lie evenly."""
    return int(image_id.rpartition("_")[2][:6], 16) / 0x1000000


def _input(image: StoredImage) -> ImageInput:
    return ImageInput(image=image.id, artifact=image.artifact, bytes=image.bytes, hour=image.hour)


def _row(params: ScoreParams, image: StoredImage, scored: Scored) -> NewScore:
    if scored.score is None:
        raise ValueError("a picture without a score has no row")
    score = scored.score
    return NewScore(
        image_id=image.id, surface=params.target_type, model_id=scored.model_id, raw_score=score.raw_score,
        ai_rating=score.ai_rating, model_version=score.model_version, path=score.path,
    )  # fmt: skip


def _result(run: Run, params: ScoreParams, source: Source, unreadable: int) -> ScoreResult:
    with run.reading() as conn:
        paths = images.scored_by_job(conn, run.job_id, params.target_type)
    scored = sum(paths.values())
    left_out = f"; {unreadable:,} could not be read" if unreadable else ""
    return ScoreResult(
        sentence=f"{source.version} scored {scored:,} images{left_out}.",
        target_type=params.target_type, model_version=source.version, model_id=source.model_id, scored=scored,
        unreadable=unreadable, paths=paths,
    )  # fmt: skip
