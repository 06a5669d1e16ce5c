"""Retraining by the month: which surfaces have enough newly rated images (``due``), and training those again."""

from collections.abc import Sequence

from shared.contracts import Contract
from shared.db import images
from shared.pipeline import Done, Next, Run, StepDone
from shared.pipelines.images.contracts import NAME, TARGET_TYPES, TargetType
from shared.pipelines.images.policy import policy
from shared.pipelines.images.scoring_params import DueParams, DueResult, RetrainedResult


class _Asked(Contract):
    """What is asked of a step of the loop."""

    surface: TargetType


def due(run: Run, params: DueParams) -> Done:
    """Count the newly rated images of each surface."""
    least = params.new_images or policy().retrain.new_images
    with run.reading() as conn:
        found = {surface: images.ratings_since(conn, surface) for surface in TARGET_TYPES}
    new = {surface: since.new for surface, since in found.items()}
    enough = tuple(
        surface for surface, since in found.items() if since.new >= least and since.rated >= policy().min_samples
    )
    told = ", ".join(f"{surface} {count:,}" for surface, count in new.items())
    sentence = (
        f"{', '.join(enough) or 'nothing'} to be trained: {least:,} newly rated images start it. There are: {told}."
    )
    return Done(result=DueResult(sentence=sentence, due=enough, new=new))


def retrain_due(params: DueParams, done: Sequence[StepDone]) -> Next | Done:
    """Decide what follows: count, then the whole loop for each surface that is due."""
    if not done:
        return Next(kind=f"{NAME}.due", params=params)
    counted = DueResult.model_validate(done[0].result)
    retrained = done[1:]
    if len(retrained) < len(counted.due):
        return Next(kind=f"{NAME}.retrain", params=_Asked(surface=counted.due[len(retrained)]))
    told = dict(zip(counted.due, (step.result for step in retrained), strict=True))
    return Done(
        result=RetrainedResult(
            sentence=" ".join(str(each["sentence"]) for each in told.values()) or counted.sentence,
            promoted=tuple(surface for surface, each in told.items() if each["promoted"]),
            surfaces={surface: str(each["sentence"]) for surface, each in told.items()},
        )
    )
