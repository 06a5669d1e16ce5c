"""The steps of images around scores: what they are called, and where they run."""

from datetime import timedelta
from typing import Any, Final

from shared.contracts import Queue
from shared.pipeline import Done, Run, Step
from shared.pipelines.images.contracts import NAME
from shared.pipelines.images.retraining import due, retrain_due
from shared.pipelines.images.scoring_params import DisagreementsParams, DueParams, ScoreParams


def _score(run: Run, params: ScoreParams) -> Done:
    from shared.pipelines.images.scoring import score_images

    return score_images(run, params)


def _report_disagreements(run: Run, params: DisagreementsParams) -> Done:
    from shared.pipelines.images.disagreements import report_disagreements

    return report_disagreements(run, params)


SCORING_STEPS: Final[tuple[Step[Any], ...]] = (
    Step(
        pipeline=NAME,
        name="score",
        summary="Score many images with the active model, or the baseline where there is none.",
        queue=Queue.GPU,
        params=ScoreParams,
        run=_score,
        slice=timedelta(seconds=120),  # trainings wait for the same queue
    ),
    Step(
        pipeline=NAME,
        name="report-disagreements",
        summary="Report where scores and people, or people among themselves, are apart; with pictures.",
        queue=Queue.GPU,
        params=DisagreementsParams,
        run=_report_disagreements,
    ),
    Step(
        pipeline=NAME,
        name="due",
        summary="Count the newly rated images: which surfaces have enough to be trained again.",
        queue=Queue.DB,
        params=DueParams,
        run=due,
    ),
    Step(
        pipeline=NAME,
        name="retrain-due",
        summary="Train again the surfaces with enough newly rated images; a better model is promoted.",
        queue=Queue.DB,
        params=DueParams,
        flow=retrain_due,
        unique_key=lambda _: f"{NAME}.retrain-due",
    ),
)
