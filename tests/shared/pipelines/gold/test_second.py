"""What the second fine-tune does next, decided purely from the steps before."""

from typing import Any

import pytest

from shared.contracts import JsonObject
from shared.pipeline import Done, Next, StepDone
from shared.pipelines.gold.second import FinetuneV2Params, FinetuneV2Result, second_flow

DATASET = "ds_" + "0" * 32
LIVE = FinetuneV2Params(live=True)
STEPS: list[tuple[str, JsonObject]] = [
    ("freeze", {"dataset_id": DATASET}),
    ("export-jsonl", {"negatives": 4}),
    ("finetune", {"dry_run": False, "model_id": "mdl_2", "dataset_id": DATASET, "version": "v2"}),
    ("evaluate", {"model_id": "mdl_2", "active_id": "mdl_1", "evaluation_id": "eval_1", "verdicts": [], "metrics": {}}),
]


def smoked(offenders: int) -> tuple[str, JsonObject]:
    return "smoke-test", {"held_out": {"rows": 40, "offenders": offenders, "offender_rate": offenders / 40}}


def after(*steps: tuple[str, JsonObject], params: FinetuneV2Params = LIVE) -> Next | Done:
    done = [StepDone(kind=f"gold.{name}", job_id=f"job_{n}", result=result) for n, (name, result) in enumerate(steps)]
    return second_flow(params, done)


def asked(decision: Next | Done) -> tuple[str, dict[str, Any]]:
    assert isinstance(decision, Next)
    return decision.kind, decision.params.model_dump()


def ended(decision: Next | Done) -> FinetuneV2Result:
    assert isinstance(decision, Done)
    assert isinstance(decision.result, FinetuneV2Result)
    return decision.result


@pytest.mark.parametrize(
    ("steps", "kind", "params"),
    [
        (0, "gold.freeze", {"surface": "default"}),
        (1, "gold.export-jsonl", {"dataset_id": DATASET}),
        (2, "gold.finetune", {"dataset_id": DATASET, "live": True, "suffix": "gold-v2", "base_model": None}),
        (3, "gold.evaluate", {"model_id": "mdl_2", "dataset_id": DATASET}),
        (4, "gold.smoke-test", {"model": "mdl_2", "only": "held-out"}),
    ],
)
def test_each_step_gets_what_those_before_it_made(steps: int, kind: str, params: dict[str, Any]) -> None:
    found, given = asked(after(*STEPS[:steps]))
    assert found == kind
    assert params.items() <= given.items()


def test_both_models_are_tried_on_the_same_snapshots() -> None:
    _, mine = asked(after(*STEPS))
    _, theirs = asked(after(*STEPS, smoked(1)))
    assert (mine.pop("model"), theirs.pop("model")) == ("mdl_2", "mdl_1")
    assert mine == theirs
    assert mine["seed"] is not None


def test_what_breaks_rules_less_often_goes_on_to_promotion() -> None:
    kind, given = asked(after(*STEPS, smoked(1), smoked(6)))
    assert (kind, given["evaluation_id"], given["accept_sunset"]) == ("gold.promote", "eval_1", False)
    promoted = {"promoted": False, "sentence": "It agrees less.", "promotion_id": None}
    result = ended(after(*STEPS, smoked(1), smoked(6), ("promote", promoted)))
    assert (result.promoted, result.sentence) == (False, "It agrees less.")


@pytest.mark.parametrize("offenders", [6, 7])
def test_what_breaks_rules_no_less_often_is_not_promoted(offenders: int) -> None:
    result = ended(after(*STEPS, smoked(offenders), smoked(6)))
    assert not result.promoted
    assert "no less often" in result.sentence
    assert result.before
    assert result.before.offenders == 6
    assert [verdict.outcome for verdict in result.verdicts] == ["fail"]


def test_without_an_active_model_there_is_nothing_to_compare_with() -> None:
    first = [*STEPS[:3], ("evaluate", STEPS[3][1] | {"active_id": None})]
    assert asked(after(*first, smoked(3)))[0] == "gold.promote"


def test_without_corrections_or_without_live_nothing_is_trained() -> None:
    nothing = ended(after(STEPS[0], ("export-jsonl", {"negatives": 0})))
    assert "gold.approve-negatives" in nothing.sentence
    dry = ended(after(*STEPS[:2], ("finetune", {"dry_run": True, "sentence": "Nothing was sent."})))
    assert (dry.promoted, dry.sentence, dry.model_id) == (False, "Nothing was sent.", None)
