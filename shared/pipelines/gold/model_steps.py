"""Gold's steps around its model: what they are called, where they run, and who may ask for them."""

from datetime import timedelta
from typing import Any, Final

from shared.contracts import Queue, Scope
from shared.pipeline import RetryPolicy, Step
from shared.pipelines.gold.asking import SmokeTestParams, smoke_test
from shared.pipelines.gold.contracts import NAME
from shared.pipelines.gold.exporting import ExportJsonlParams, SmokeReportParams, export_jsonl, smoke_report
from shared.pipelines.gold.negatives import (
    ApproveNegativesParams,
    ExtractOffendersParams,
    GenNegativesParams,
    approve_negatives,
    extract_offenders,
    gen_negatives,
)
from shared.pipelines.gold.second import FinetuneV2Params, second_flow

_SLICE: Final = timedelta(seconds=12)  # and one round of questions fits below the queue's limit of 25 s

MODEL_STEPS: Final[tuple[Step[Any], ...]] = (
    Step(
        pipeline=NAME,
        name="export-jsonl",
        summary="Write the training file, the held-out conclusions and the pairs for DPO of a frozen dataset.",
        queue=Queue.DB,
        params=ExportJsonlParams,
        run=export_jsonl,
    ),
    Step(
        pipeline=NAME,
        name="smoke-test",
        summary="Ask a model about snapshots that it was not trained on, and keep the answers that break a rule.",
        queue=Queue.FINETUNE,
        params=SmokeTestParams,
        run=smoke_test,
        retry=RetryPolicy(max_attempts=8),  # a provider that is busy for a while; what it has answered is kept
        slice=_SLICE,
    ),
    Step(
        pipeline=NAME,
        name="smoke-report",
        summary="Write a smoke test as a page and as JSON: every failure with input, output and rule.",
        queue=Queue.DB,
        params=SmokeReportParams,
        run=smoke_report,
    ),
    Step(
        pipeline=NAME,
        name="extract-offenders",
        summary="Keep the answers of smoke tests and of production that broke a rule.",
        queue=Queue.DB,
        params=ExtractOffendersParams,
        run=extract_offenders,
    ),
    Step(
        pipeline=NAME,
        name="gen-negatives",
        summary="Draft a correction for each answer that broke a rule; a person approves it.",
        queue=Queue.DB,
        params=GenNegativesParams,
        run=gen_negatives,
        scope=Scope.REVIEW,
    ),
    Step(
        pipeline=NAME,
        name="approve-negatives",
        summary="Approve corrections: from then on they are trained on.",
        queue=Queue.DB,
        params=ApproveNegativesParams,
        run=approve_negatives,
        scope=Scope.REVIEW,
    ),
    Step(
        pipeline=NAME,
        name="finetune-v2",
        summary="Train with the approved negatives, and promote what breaks rules less often and loses nothing.",
        queue=Queue.DB,
        params=FinetuneV2Params,
        flow=second_flow,
        unique_key=lambda _: f"{NAME}.finetune-v2",
    ),
)
