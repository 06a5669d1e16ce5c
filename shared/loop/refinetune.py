"""The flow ``retrain`` of a pipeline that a provider trains: freeze → finetune → evaluate → promote.

It ends after a dry run, which is what it makes unless ``live`` is given.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from shared.contracts import Live, Queue
from shared.loop.finetune import BaseModelName, FinetuneParams, FinetuneResult
from shared.loop.freeze import FreezeResult
from shared.loop.retrain import RetrainParams, RetrainResult, after
from shared.loop.train import TrainResult
from shared.pipeline import Done, Next, Pipeline, Step, StepDone


class RefinetuneParams(RetrainParams):
    """Which surface to fine-tune anew, on which base model, and whether it may cost money."""

    base_model: BaseModelName | None = Field(
        default=None, description="The base model. Empty: the pipeline's own, or `local-nearest` for our own trainer."
    )
    live: Live = False


def refinetune_step(pipeline: Pipeline[Any, Any]) -> Step[RefinetuneParams]:
    """Return a fine-tuned pipeline's flow ``retrain``. No two of a surface run together."""
    return Step(
        pipeline=pipeline.name,
        name="retrain",
        summary="Freeze, fine-tune, evaluate and promote as one job; without --live it ends with a dry run.",
        queue=Queue.DB,
        params=RefinetuneParams,
        flow=lambda params, done: after_finetune(pipeline.name, params, done),
        unique_key=lambda params: f"{pipeline.name}.retrain:{params.surface}",
    )


def after_finetune(pipeline: str, params: RefinetuneParams, done: Sequence[StepDone]) -> Next | Done:
    """Decide what follows the steps done so far: as ``retrain.after`` does, with a fine-tune for the training."""
    if not done:
        return after(pipeline, params, done)
    frozen = FreezeResult.model_validate(done[0].result)
    if len(done) == 1:
        wanted = FinetuneParams(
            surface=params.surface, dataset_id=frozen.dataset_id, base_model=params.base_model, live=params.live
        )
        return Next(kind=f"{pipeline}.finetune", params=wanted)
    tuned = FinetuneResult.model_validate(done[1].result)
    if tuned.model_id is None or tuned.manifest is None:
        return Done(result=_dry_run(params, frozen, tuned))
    trained = TrainResult(
        model_id=tuned.model_id, version=tuned.version, dataset_id=tuned.dataset_id, manifest=tuned.manifest,
        metrics=tuned.metrics,
    )  # fmt: skip
    first, second, *rest = done
    as_trained = StepDone(kind=second.kind, job_id=second.job_id, result=trained.model_dump(mode="json"))
    return after(pipeline, params, [first, as_trained, *rest])


def _dry_run(params: RefinetuneParams, frozen: FreezeResult, tuned: FinetuneResult) -> RetrainResult:
    return RetrainResult(
        promoted=False,
        sentence=tuned.sentence,
        surface=params.surface,
        dataset_id=frozen.dataset_id,
        rows=frozen.rows,
        model_id=None,
        version="",
        evaluation_id=None,
        active_id=None,
        promotion_id=None,
        metrics=tuned.metrics,
        verdicts=(),
    )
