"""The flow as the pure decision that it is."""

import pytest

from shared.contracts import Contract
from shared.loop.evaluate import EvaluateParams, EvaluateResult
from shared.loop.freeze import FreezeParams, FreezeResult
from shared.loop.pointer import PromotionResult
from shared.loop.promote import PromoteParams
from shared.loop.retrain import RetrainParams, RetrainResult, after
from shared.loop.train import TrainParams, TrainResult
from shared.pipeline import Done, Next, StepDone

DATASET, MODEL, EVALUATION = (f"{prefix}_{'0' * 32}" for prefix in ("ds", "mdl", "eval"))
RESULTS: tuple[Contract, ...] = (
    FreezeResult(dataset_id=DATASET, rows=60, splits={"train": 40, "test": 20}, manifest="0" * 64, created=True),
    TrainResult(model_id=MODEL, version="v1", dataset_id=DATASET, manifest="0" * 64, metrics={}),
    EvaluateResult(
        evaluation_id=EVALUATION, model_id=MODEL, active_id=None, dataset_id=DATASET, metrics={}, verdicts=(),
        passed=True, sentence="All gates passed.",
    ),
    PromotionResult(promoted=False, sentence="No.", surface="default", model_id=MODEL, version="v1"),
)  # fmt: skip
DONE = [
    StepDone(kind=f"x.{number}", job_id=f"job_{number}", result=result.model_dump(mode="json"))
    for number, result in enumerate(RESULTS)
]


@pytest.mark.parametrize(
    ("finished", "kind", "params"),
    [
        (0, "x.freeze", FreezeParams(seed=7)),
        (1, "x.train", TrainParams(dataset_id=DATASET)),
        (2, "x.evaluate", EvaluateParams(model_id=MODEL, dataset_id=DATASET)),
        (3, "x.promote", PromoteParams(model_id=MODEL, evaluation_id=EVALUATION)),
    ],
)
def test_each_step_gets_what_the_ones_before_it_made(finished: int, kind: str, params: Contract) -> None:
    assert after("x", RetrainParams(seed=7), DONE[:finished]) == Next(kind=kind, params=params)


def test_result_tells_the_whole_story() -> None:
    end = after("x", RetrainParams(), DONE)
    assert isinstance(end, Done)
    assert isinstance(end.result, RetrainResult)
    assert (end.result.promoted, end.result.sentence, end.result.rows) == (False, "No.", 60)
    assert (end.result.dataset_id, end.result.model_id, end.result.version) == (DATASET, MODEL, "v1")
