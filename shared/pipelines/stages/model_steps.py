"""The steps of stages around their models: what they are called, where they run, and who may ask for them."""

from datetime import timedelta
from typing import Any, Final

from shared.contracts import Queue
from shared.pipeline import RetryPolicy, Step
from shared.pipelines.stages.evals import EvalsParams, evals
from shared.pipelines.stages.versions import NAME

_SLICE: Final = timedelta(seconds=12)  # and one round of questions fits below the queue's limit of 25 s

MODEL_STEPS: Final[tuple[Step[Any], ...]] = (
    Step(
        pipeline=NAME,
        name="evals",
        summary="Evaluate each stage on held-out rows and the pipeline end to end, and write a report.",
        queue=Queue.FINETUNE,
        params=EvalsParams,
        run=evals,
        retry=RetryPolicy(max_attempts=8),  # a provider that is busy for a while; what it has answered is kept
        slice=_SLICE,
    ),
)
