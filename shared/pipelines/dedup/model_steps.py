"""The steps of dedup around its models: what they are called, where they run, and who may ask for them."""

from datetime import timedelta
from typing import Any, Final

from shared.contracts import Queue, Scope
from shared.pipeline import RetryPolicy, Step
from shared.pipelines.dedup.asking import CheckParams, PredictParams, check, predict
from shared.pipelines.dedup.contracts import NAME
from shared.pipelines.dedup.proposing import (
    ApplyThresholdsParams,
    AutoModeParams,
    ProposeThresholdsParams,
    apply_thresholds,
    auto_mode,
    propose_thresholds,
)
from shared.pipelines.dedup.reporting import ReportParams, report
from shared.pipelines.dedup.retraining import (
    READY,
    FineTuneModelParams,
    ReadyParams,
    RetrainDueParams,
    fine_tune_model,
    ready,
    retrain_due,
)

_SLICE: Final = timedelta(seconds=12)  # and one batch of questions fits below the queue's limit of 25 s
_ASKING: Final = RetryPolicy(max_attempts=8)  # what has been answered is kept

MODEL_STEPS: Final[tuple[Step[Any], ...]] = (
    Step(
        pipeline=NAME,
        name="predict",
        summary="Say of pairs of statements whether they are to be merged, and how surely.",
        queue=Queue.FINETUNE,
        params=PredictParams,
        run=predict,
        retry=_ASKING,
        slice=_SLICE,
    ),
    Step(
        pipeline=NAME,
        name="check",
        summary="Say of statements whether an insight says the same already; store none of them.",
        queue=Queue.FINETUNE,
        params=CheckParams,
        run=check,
        retry=_ASKING,
        slice=_SLICE,
    ),
    Step(
        pipeline=NAME,
        name="report",
        summary="Write a model's evaluation as a page with charts, and its false merges and misses by id.",
        queue=Queue.DB,
        params=ReportParams,
        run=report,
    ),
    Step(
        pipeline=NAME,
        name="propose-thresholds",
        summary="Read from a model's held-out curve which thresholds of confidence it is good for.",
        queue=Queue.DB,
        params=ProposeThresholdsParams,
        run=propose_thresholds,
    ),
    Step(
        pipeline=NAME,
        name="apply-thresholds",
        summary="Let thresholds of confidence count in the place of the policy's: a person's decision.",
        queue=Queue.DB,
        params=ApplyThresholdsParams,
        run=apply_thresholds,
        scope=Scope.PROMOTE,
    ),
    Step(
        pipeline=NAME,
        name="auto-mode",
        summary="Say whether anything may be merged without a person, and why or why not.",
        queue=Queue.DB,
        params=AutoModeParams,
        run=auto_mode,
    ),
    Step(
        pipeline=NAME,
        name=READY,
        summary="Say whether people have decided enough to train on.",
        queue=Queue.FINETUNE,  # where the provider is known
        params=ReadyParams,
        run=ready,
    ),
    Step(
        pipeline=NAME,
        name="fine-tune-model",
        summary="Freeze what people decided, fine-tune a candidate on it for real, and evaluate that.",
        queue=Queue.DB,
        params=FineTuneModelParams,
        flow=fine_tune_model,
        unique_key=lambda _: f"{NAME}.fine-tune-model",
    ),
    Step(
        pipeline=NAME,
        name="retrain-due",
        summary="Train anew if enough was decided since the last time, and promote what is better.",
        queue=Queue.DB,
        params=RetrainDueParams,
        flow=retrain_due,
        unique_key=lambda _: f"{NAME}.retrain-due",
    ),
)
