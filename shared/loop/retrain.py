"""The flow ``retrain``: freeze → train → evaluate → promote, as one job. What follows what is decided purely."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from shared.contracts import Contract, JsonObject, Queue, Surface, Verdict
from shared.loop.choice import AcceptSunset
from shared.loop.evaluate import EvaluateParams, EvaluateResult
from shared.loop.freeze import FreezeParams, FreezeResult
from shared.loop.pointer import PromotionResult
from shared.loop.promote import PromoteParams
from shared.loop.train import TrainParams, TrainResult
from shared.pipeline import Done, Next, Pipeline, Step, StepDone


class RetrainParams(Contract):
    """Which surface to train anew on all that people have said by now."""

    surface: Surface = Field(default="default", description="The part of the pipeline to retrain.")
    seed: int | None = Field(
        default=None, ge=0, lt=2**63, description="Decides which groups are held out. Empty: the pipeline's own seed."
    )
    accept_sunset: AcceptSunset = False


class RetrainResult(Contract):
    """What came of it. Not promoted: the sentence says in plain words why not. A dry run makes no model."""

    promoted: bool
    sentence: str
    surface: str
    dataset_id: str
    rows: int
    model_id: str | None
    version: str
    evaluation_id: str | None
    active_id: str | None
    promotion_id: str | None
    metrics: JsonObject
    verdicts: tuple[Verdict, ...]


def retrain_step(pipeline: Pipeline[Any, Any]) -> Step[RetrainParams]:
    """Return a pipeline's flow ``retrain``. No two of a surface run together."""
    return Step(
        pipeline=pipeline.name,
        name="retrain",
        summary="Freeze, train, evaluate and promote: the whole loop as one job.",
        queue=Queue.DB,
        params=RetrainParams,
        flow=lambda params, done: after(pipeline.name, params, done),
        unique_key=lambda params: f"{pipeline.name}.retrain:{params.surface}",
    )


def after(pipeline: str, params: RetrainParams, done: Sequence[StepDone]) -> Next | Done:
    """Decide what follows the steps done so far: each step gets what the ones before it made."""
    results = [step.result for step in done]
    match results:
        case []:
            return Next(kind=f"{pipeline}.freeze", params=FreezeParams(surface=params.surface, seed=params.seed))
        case [frozen]:
            dataset = FreezeResult.model_validate(frozen).dataset_id
            return Next(kind=f"{pipeline}.train", params=TrainParams(surface=params.surface, dataset_id=dataset))
        case [_, trained]:
            made = TrainResult.model_validate(trained)
            compare = EvaluateParams(surface=params.surface, model_id=made.model_id, dataset_id=made.dataset_id)
            return Next(kind=f"{pipeline}.evaluate", params=compare)
        case [_, _, evaluated]:
            found = EvaluateResult.model_validate(evaluated)
            evidence = PromoteParams(
                surface=params.surface,
                model_id=found.model_id,
                evaluation_id=found.evaluation_id,
                accept_sunset=params.accept_sunset,
            )
            return Next(kind=f"{pipeline}.promote", params=evidence)
        case _:
            return Done(result=_result(*results))


def _result(frozen: JsonObject, trained: JsonObject, evaluated: JsonObject, promoted: JsonObject) -> RetrainResult:
    dataset = FreezeResult.model_validate(frozen)
    evaluation = EvaluateResult.model_validate(evaluated)
    promotion = PromotionResult.model_validate(promoted)
    return RetrainResult(
        promoted=promotion.promoted,
        sentence=promotion.sentence,
        surface=promotion.surface,
        dataset_id=dataset.dataset_id,
        rows=dataset.rows,
        model_id=evaluation.model_id,
        version=TrainResult.model_validate(trained).version,
        evaluation_id=evaluation.evaluation_id,
        active_id=evaluation.active_id,
        promotion_id=promotion.promotion_id,
        metrics=evaluation.metrics,
        verdicts=evaluation.verdicts,
    )
