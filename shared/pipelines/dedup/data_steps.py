"""The steps of dedup over its data: what they are called, where they run, and who may ask for them."""

from datetime import timedelta
from typing import Any, Final

from shared.contracts import Queue
from shared.pipeline import RetryPolicy, Step
from shared.pipelines.dedup.checking import CheckIncomingParams, check_incoming
from shared.pipelines.dedup.conflicts import ConflictsParams, conflicts
from shared.pipelines.dedup.contracts import NAME
from shared.pipelines.dedup.ingest import ingest
from shared.pipelines.dedup.taking_in import TakeInParams, take_in

_SLICE: Final = timedelta(seconds=10)  # and one batch of questions fits below the queue's limit of 25 s


def _check_key(params: CheckIncomingParams) -> str:
    return f"{NAME}.check-incoming:{params.run_id or 'all'}"


DATA_STEPS: Final[tuple[Step[Any], ...]] = (
    Step(
        pipeline=NAME,
        name="ingest",
        summary="Take in a file of statements and check each: merge it, ask people about it, or keep it as new.",
        queue=Queue.DB,
        params=TakeInParams,
        flow=ingest,
    ),
    Step(
        pipeline=NAME,
        name="take-in",
        summary="Take in a file of statements, all of it or nothing; they wait to be checked.",
        queue=Queue.DB,
        params=TakeInParams,
        run=take_in,
    ),
    Step(
        pipeline=NAME,
        name="check-incoming",
        summary="Embed and check the statements that wait, and make insights of them.",
        queue=Queue.FINETUNE,
        params=CheckIncomingParams,
        run=check_incoming,
        retry=RetryPolicy(max_attempts=8),  # a provider that is busy for a while; what is through stays so
        slice=_SLICE,
        unique_key=_check_key,
    ),
    Step(
        pipeline=NAME,
        name="conflicts",
        summary="List what people said that cannot be right together, and on what they disagree.",
        queue=Queue.DB,
        params=ConflictsParams,
        run=conflicts,
    ),
)
