"""The stages' data steps alone, for as long as the registry does not have the pipeline."""

from typing import Any

from shared.contracts import Queue
from shared.pipeline import FineTune, Pipeline, SplitPolicy
from shared.pipelines.stages.data_steps import DATA_STEPS


def _unused(*_: Any) -> Any:
    raise NotImplementedError


PIPELINE: Pipeline[Any, Any] = Pipeline(
    name="stages", summary="Data only.", source="stages_examples", surfaces=("blue_ocean",), train_queue=Queue.DB,
    split=SplitPolicy(test_share=0.2, seed=42), min_samples=5, windows={"all": None}, parse_input=_unused,
    train=FineTune(lines=_unused, base_model="none", suffix="none"), load=_unused, score=_unused, gates=_unused,
    fallback=_unused, dump_output=_unused, extra_steps=DATA_STEPS,
)  # fmt: skip
