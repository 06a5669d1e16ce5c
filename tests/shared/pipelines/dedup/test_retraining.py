"""What follows what when dedup is trained anew: the flows are decided purely; the steps look at real decisions."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from beat_schedule import ENTRIES
from shared.contracts import JsonObject
from shared.pipeline import Done, Next, StepDone
from shared.pipelines.dedup.retraining import (
    FineTuneModelParams,
    FineTuneModelResult,
    RetrainDueParams,
    RetrainDueResult,
    fine_tune_model,
    retrain_due,
)
from tests.shared.pipelines.dedup.desk import Desk
from tests.shared.pipelines.dedup.teacher import activate

READY: JsonObject = {"ready": True, "sentence": "enough.", "new": 40, "base_model": None, "live": True}
FROZEN: JsonObject = {"dataset_id": "ds_1"}
TUNED: JsonObject = {
    "dataset_id": "ds_1", "model_id": "mdl_1", "version": "v1", "fine_tuned_model": "ft:1",
    "sentence": "It is trained.",
}  # fmt: skip


def evaluated(candidate: float, active: float | None) -> JsonObject:
    figures = {"candidate": {"accuracy": candidate}, "active": None if active is None else {"accuracy": active}}
    return {
        "model_id": "mdl_1", "evaluation_id": "eval_1", "passed": True, "verdicts": [], "sentence": "All gates passed.",
        "metrics": {"all": figures},
    }  # fmt: skip


def done(**results: JsonObject) -> list[StepDone]:
    return [StepDone(kind=f"dedup.{name}", job_id="job_1", result=result) for name, result in results.items()]


def asked(found: Next | Done) -> tuple[str, dict[str, Any]]:
    assert isinstance(found, Next)
    return found.kind, found.params.model_dump()


def ended(found: Next | Done) -> RetrainDueResult:
    assert isinstance(found, Done)
    assert isinstance(found.result, RetrainDueResult)
    return found.result


def test_the_week_asks_freezes_trains_compares_and_promotes_what_is_better() -> None:
    week = RetrainDueParams()
    assert asked(retrain_due(week, [])) == ("dedup.ready", {"base_model": None, "new_decisions": 20})
    assert asked(retrain_due(week, done(ready=READY)))[0] == "dedup.freeze"
    kind, wish = asked(retrain_due(week, done(ready=READY, freeze=FROZEN)))
    assert (kind, wish["live"], wish["dataset_id"]) == ("dedup.finetune", True, "ds_1")
    assert asked(retrain_due(week, done(ready=READY, freeze=FROZEN, finetune=TUNED)))[0] == "dedup.evaluate"
    steps: JsonObject = {"ready": READY, "freeze": FROZEN, "finetune": TUNED}
    kind, wish = asked(retrain_due(week, done(**steps, evaluate=evaluated(0.9, 0.8))))
    assert (kind, wish["evaluation_id"]) == ("dedup.promote", "eval_1")
    assert asked(retrain_due(week, done(**steps, evaluate=evaluated(0.9, None))))[0] == "dedup.promote"
    promoted: JsonObject = {"promoted": True, "sentence": "It is active now.", "promotion_id": "promo_1"}
    found = ended(retrain_due(week, done(**steps, evaluate=evaluated(0.9, 0.8), promote=promoted)))
    assert (found.promoted, found.promotion_id) == (True, "promo_1")


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ({"ready": {**READY, "ready": False, "sentence": "Not trained: 3 pairs."}}, "Not trained: 3 pairs."),
        (
            {
                "ready": READY,
                "freeze": FROZEN,
                "finetune": {**TUNED, "model_id": None, "sentence": "Nothing was sent."},
            },
            "Nothing was sent.",
        ),
        (
            {"ready": READY, "freeze": FROZEN, "finetune": TUNED, "evaluate": evaluated(0.8, 0.8)},
            "Not promoted: 0.8 of its held-out answers are right, and 0.8 of the active model's.",
        ),
    ],
)
def test_the_week_ends_with_a_sentence_where_there_is_nothing_to_gain(steps: dict[str, Any], why: str) -> None:
    found = ended(retrain_due(RetrainDueParams(), done(**steps)))
    assert (found.promoted, found.sentence) == (False, why)


def test_a_person_gets_a_candidate_and_its_verdicts() -> None:
    wish = FineTuneModelParams(base_model="gpt-4o-mini-2024-07-18")
    assert asked(fine_tune_model(wish, []))[1]["base_model"] == "gpt-4o-mini-2024-07-18"
    steps: JsonObject = {"ready": {**READY, "live": False}, "freeze": FROZEN}
    assert asked(fine_tune_model(wish, done(**steps)))[1]["live"], "a person has asked for it"
    found = fine_tune_model(wish, done(**steps, finetune=TUNED, evaluate=evaluated(0.9, None)))
    assert isinstance(found, Done)
    assert isinstance(found.result, FineTuneModelResult)
    assert found.result.sentence == "It is trained. All gates passed."


def test_beat_asks_each_week() -> None:
    (entry,) = [entry for entry in ENTRIES if entry.step == "dedup.retrain-due"]
    assert entry.every == timedelta(days=7)


def test_the_week_waits_for_new_decisions(desk: Desk) -> None:
    """Before there is enough, then with enough, and again after a freeze."""
    nothing = desk.run("retrain-due")
    assert "No training data available" in nothing["sentence"]
    assert desk.refusal("ready")["code"] == "no-training-data"
    for number in range(12):
        desk.decide(desk.cluster(f"Good {number}", f"Good {number} again"), "approve")
        desk.decide(desk.cluster(f"Bad {number}", f"Bad {number} never"), "reject")
    ready = desk.run("ready", new_decisions=24)
    assert (ready["ready"], ready["new"]) == (True, 24)
    desk.run("freeze")
    later = desk.run("retrain-due")
    assert later["sentence"] == "Not trained: 0 pairs were decided since the last freeze, and 20 start it."


# --- thresholds -----------------------------------------------------------------------------------------------------


def test_a_person_applies_what_the_curve_proposes(desk: Desk) -> None:
    assert desk.refusal("propose-thresholds")["code"] == "not-found"
    applied = desk.run("apply-thresholds", auto_merge=0.95, propose=0.8, reason="few misses")
    assert applied["before"] == {"auto_merge": 0.9, "propose": 0.7}
    assert applied["auto"]["outcome"] == "insufficient"
    mode = desk.run("auto-mode")
    assert (mode["allowed"], mode["auto_merge"], mode["propose"]) == (False, 0.95, 0.8)
    assert desk.rows("SELECT actor, reason FROM dedup_thresholds") == [("teacher", "few misses")]


def test_the_curve_proposes_what_is_sure_and_no_lucky_step(desk: Desk, tmp_path: Path) -> None:
    """Sure from 0.62 to 0.80, and by luck at 0.55."""
    curve = [
        {"threshold": n / 100, "merges": 50, "right": 48, "precision": 0.96, "recall": 0.5,
         "low": 0.91 if sure else 0.85, "high": 1.0}
        for n, sure in ((n, n == 55 or 62 <= n <= 80) for n in range(50, 101))
    ]  # fmt: skip
    model_id = activate(desk, tmp_path, curve=curve)
    desk.change(
        "INSERT INTO evaluations (id, model_id, dataset_id, metrics, verdicts, report)"
        " SELECT 'eval_1', id, dataset_id, metrics, '[]', '' FROM models WHERE id = %s", model_id,
    )  # fmt: skip
    found = desk.run("propose-thresholds")
    assert (found["auto_merge"], found["careful"], found["propose"]) == (0.62, 0.8, 0.5)
    page = desk.run("report")
    assert page["evaluation_id"] == "eval_1"
    assert set(page["files"]["sizes"]) == {
        "evaluation.html", "evaluation.json", "precision_recall.svg", "calibration.svg",
    }  # fmt: skip
    pages = desk.store.manifest(page["files"]["manifest"]).files
    (name,) = (name for name in pages if name.endswith("evaluation.html"))
    with desk.store.open(pages[name]) as file:
        text = file.read().decode()
    assert "no held-out pair was merged" in text
    assert "<h2>False merges: 0</h2>" in text
    assert not desk.run("auto-mode")["allowed"]
    applied = desk.run("apply-thresholds", auto_merge=found["careful"], propose=found["propose"], reason="as proposed")
    assert applied["auto"]["outcome"] == "pass"
    assert desk.run("auto-mode")["allowed"]
    assert desk.rows("SELECT evaluation_id FROM dedup_thresholds") == [("eval_1",)]
