"""The steps of the stages over their data: what they are called, where they run, and who may ask for them."""

from datetime import timedelta
from typing import Any, Final

from shared.contracts import Queue, Scope
from shared.pipeline import RetryPolicy, Step
from shared.pipelines.stages.approving import ApproveParams, ExportReviewParams, approve, export_review
from shared.pipelines.stages.datasets import BuildDatasetsParams, build_datasets
from shared.pipelines.stages.importing import ImportRowsParams, import_rows
from shared.pipelines.stages.running import MakePacksParams, RunPacksParams, make_packs, run_packs
from shared.pipelines.stages.versions import NAME

_SLICE: Final = timedelta(seconds=12)  # and one round of questions fits below the queue's limit of 25 s

DATA_STEPS: Final[tuple[Step[Any], ...]] = (
    Step(
        pipeline=NAME,
        name="make-packs",
        summary="Make up businesses of many industries, as inputs of the stages.",
        queue=Queue.DB,
        params=MakePacksParams,
        run=make_packs,
    ),
    Step(
        pipeline=NAME,
        name="run-packs",
        summary="Run the five stages over packs, and collect the answers for a person to look at.",
        queue=Queue.FINETUNE,
        params=RunPacksParams,
        run=run_packs,
        retry=RetryPolicy(max_attempts=8),  # a provider that is busy for a while; what it has answered is kept
        slice=_SLICE,
    ),
    Step(
        pipeline=NAME,
        name="import-rows",
        summary="Import a file of rows, all of it or nothing.",
        queue=Queue.DB,
        params=ImportRowsParams,
        run=import_rows,
        scope=Scope.REVIEW,
    ),
    Step(
        pipeline=NAME,
        name="export-review",
        summary="Write the rows that wait for a person's decision as a review file.",
        queue=Queue.DB,
        params=ExportReviewParams,
        run=export_review,
    ),
    Step(
        pipeline=NAME,
        name="approve",
        summary="Approve or reject rows, each with a note: only a person does.",
        queue=Queue.DB,
        params=ApproveParams,
        run=approve,
        scope=Scope.REVIEW,
    ),
    Step(
        pipeline=NAME,
        name="build-datasets",
        summary="Write the approved rows of the stages as dataset files, one for each stage.",
        queue=Queue.DB,
        params=BuildDatasetsParams,
        run=build_datasets,
    ),
)
