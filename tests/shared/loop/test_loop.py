"""The loop through the real ledger: train, evaluate, promote, and the flow over them all."""

from collections.abc import Callable

import pytest

from shared import models
from shared.contracts import ModelState, Outcome
from shared.db import evaluations
from shared.errors import NotFoundError
from shared.models import read_card, read_report
from tests.support.school import School

Skill = Callable[[int], None]


def test_first_retraining_promotes(school: School) -> None:
    school.label(100)
    result = school.run("retrain")
    assert result["promoted"]
    assert result["sentence"] == f"student {result['version']} is active now, where none was active before."
    assert result["rows"] == 100
    assert result["active_id"] is None
    assert [v["outcome"] for v in result["verdicts"]] == ["pass", "pass"]
    model = school.model(result["model_id"])
    assert model.state is ModelState.ACTIVE
    assert model.dataset_id == result["dataset_id"]
    assert model.parameters == {"skill": 70, "bent": ""}
    assert set(model.libraries) == {"python", "pydantic"}
    assert model.metrics["all"]["candidate"]["accuracy"] == pytest.approx(0.7, abs=0.2)
    assert model.metrics["all"]["rows"] == model.metrics["recent"]["rows"] == 100 - model.metrics["train"]["rows"]
    assert model.metrics["train"]["candidate"]["again"] == model.metrics["train"]["rows"]
    (promotion,) = school.history()
    assert (promotion.kind, promotion.from_model, promotion.to_model) == ("promote", None, model.id)
    assert promotion.actor == "teacher"
    assert promotion.evaluation_id == result["evaluation_id"]
    *evaluated, rows = promotion.verdicts
    assert evaluated == list(evaluation_of(school, result["evaluation_id"]).verdicts)
    assert (rows.gate, rows.outcome, rows.figures) == ("min_rows", Outcome.PASS, {"rows": 100, "least": 20})


def evaluation_of(school: School, evaluation_id: str) -> evaluations.Evaluation:
    with school.database.reading() as conn:
        return evaluations.get(conn, evaluation_id)


def test_better_candidate_takes_over_and_a_worse_one_does_not(school: School, skill: Skill) -> None:
    school.label(300)
    skill(60)
    first = school.run("retrain")
    skill(90)
    second = school.run("retrain")
    assert second["promoted"]
    assert second["active_id"] == first["model_id"]
    assert second["sentence"].endswith(f"in the place of {first['version']}.")
    skill(30)
    third = school.run("retrain")
    assert not third["promoted"]
    assert third["promotion_id"] is None
    assert third["sentence"].startswith(f"student {third['version']} was not promoted: On ")
    assert "the candidate is worse" in third["sentence"]
    assert school.active() == second["model_id"]
    assert school.model(first["model_id"]).state is ModelState.RETIRED
    assert school.model(third["model_id"]).state is ModelState.CANDIDATE
    assert [p.to_model for p in school.history()] == [second["model_id"], first["model_id"]]


def test_too_little_data_is_a_clear_refusal(school: School) -> None:
    school.label(19)
    error = school.refusal("retrain")
    assert error["message"] == "insufficient training data: 19 of 20"


def test_same_dataset_gives_the_same_model_hash(school: School) -> None:
    school.label(50)
    dataset = school.run("freeze")["dataset_id"]
    first, second = (school.run("train", dataset_id=dataset) for _ in range(2))
    assert first["manifest"] == second["manifest"]
    assert first["model_id"] != second["model_id"]
    assert first["version"] != second["version"]


def test_versions_of_one_second_stay_apart(school: School) -> None:
    school.label(50)
    dataset = school.run("freeze")["dataset_id"]
    with school.database.transaction() as conn:  # one transaction: one moment
        made = [
            models.register(
                conn, model_id=f"mdl_{n:032x}", pipeline="student", surface="default", manifest="0" * 64,
                dataset_id=dataset, job_id=None, parameters={}, libraries={}, metrics={},
            ).version
            for n in range(3)
        ]  # fmt: skip
    assert made[0].startswith("v20")
    assert made[1:] == [f"{made[0]}_2", f"{made[0]}_3"]


def test_no_two_trainings_of_a_surface_run_together(school: School) -> None:
    school.label(50)
    school.run("freeze")
    first = school.submit("train")
    second = school.submit("train")
    school.finish(first)
    with pytest.raises(NotFoundError):
        school.job(second)


def test_evaluation_compares_on_the_same_rows_by_window(school: School, skill: Skill) -> None:
    school.label(100, days_ago=90)
    school.label(60, start=1000, days_ago=2)
    skill(80)
    first = school.run("retrain")
    skill(85)
    school.run("train")
    result = school.run("evaluate")
    assert result["active_id"] == first["model_id"]
    every, recent = result["metrics"]["all"], result["metrics"]["recent"]
    assert every["rows"] > recent["rows"] > 0
    assert {v["window"]: v["figures"]["rows"] for v in result["verdicts"]} == {
        "all": every["rows"], "recent": recent["rows"],
    }  # fmt: skip
    assert all(v["figures"]["active"] == every["active"]["accuracy"] for v in result["verdicts"][:1])


def test_evaluation_is_the_same_again(school: School) -> None:
    school.label(100)
    school.run("retrain")
    model = school.active()
    first, second = (school.run("evaluate", model_id=model) for _ in range(2))
    assert first["metrics"] == second["metrics"]
    assert first["verdicts"] == second["verdicts"]


def test_empty_window_is_insufficient_not_a_crash(school: School) -> None:
    school.label(100, days_ago=90)
    first = school.run("retrain")
    assert first["promoted"]
    assert first["metrics"]["recent"] == {"rows": 0, "candidate": {}, "active": None}
    second = school.run("retrain")
    assert not second["promoted"]
    assert [v["outcome"] for v in second["verdicts"]] == ["pass", "insufficient"]
    assert "Only 0 held-out rows in window recent" in second["sentence"]


def test_rows_held_out_otherwise_are_refused(school: School) -> None:
    school.label(100)
    trained = school.run("retrain")
    other = school.run("freeze", seed=99)
    error = school.refusal("evaluate", model_id=trained["model_id"], dataset_id=other["dataset_id"])
    assert error["code"] == "refused"
    assert "may have been trained on held-out rows" in error["message"]


def test_report_and_card_can_be_read(school: School) -> None:
    school.label(100)
    result = school.run("retrain")
    model = school.model(result["model_id"])
    card = read_card(school.store, model)
    assert card.startswith(f"# student {model.version}\n")
    assert "Promoted by teacher" in card
    assert f"`{model.manifest}`" in card
    assert "| all | accuracy | 0." in card
    assert "- **no_regression** (recent), passed: No model is active" in card
    report = read_report(school.store, evaluation_of(school, result["evaluation_id"]))
    assert f'"manifest":"{model.manifest}"'.encode() in report
    assert b'"passed":true' in report


def test_evaluation_against_an_earlier_active_model_does_not_count(school: School) -> None:
    school.label(200)
    school.run("freeze")
    one, same = (school.run("train")["model_id"] for _ in range(2))
    school.label(20, start=200)
    school.run("freeze")
    two = school.run("train")["model_id"]
    evaluated = {}
    for model in (one, two, same):
        evaluation = school.run("evaluate", model_id=model)
        assert evaluation["passed"]
        evaluated[model] = evaluation["evaluation_id"]
    assert school.run("promote", model_id=one)["promoted"]
    late = school.run("promote", model_id=two, evaluation_id=evaluated[two])
    assert not late["promoted"]
    assert "not compared with the model that is active now. Run student.promote again" in late["sentence"]
    assert school.active() == one
    assert "byte for byte the active model" in school.run("promote", model_id=same)["sentence"]
    assert school.run("promote", model_id=two)["promoted"]
    assert school.run("promote", model_id=two)["sentence"].endswith("it is active already.")
    assert len(school.history()) == 2


def test_parameters_that_name_nothing_or_others(school: School) -> None:
    nobody = "mdl_" + "0" * 32
    assert school.refusal("promote", model_id=nobody)["code"] == "not-found"
    assert school.refusal("train")["message"] == "student has no dataset for default"
    assert school.refusal("train", surface="left")["message"] == "student has no surface left"
    assert school.refusal("evaluate")["message"] == "student has no candidate for default"


def test_verdicts_of_the_registry_are_values(school: School) -> None:
    school.label(100)
    evaluation = evaluation_of(school, school.run("retrain")["evaluation_id"])
    assert evaluation.passed
    assert {v.outcome for v in evaluation.verdicts} == {Outcome.PASS}
