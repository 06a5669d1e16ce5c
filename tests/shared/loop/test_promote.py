"""What a promotion is refused for, what a person may waive, and the files that it leaves either way."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from shared import jobs, registry
from shared.contracts import JobState, JsonObject, Outcome, Verdict
from shared.gates import minimum_rows
from shared.pipeline import Pipeline, Row
from shared.registry import get_pipeline, get_step
from tests.support.school import School
from workers.unit import run_job

Skill = Callable[[int], None]
Change = Callable[[Callable[[Pipeline[str, str]], Pipeline[str, str]]], None]


@pytest.fixture
def change(school: School, monkeypatch: pytest.MonkeyPatch) -> Iterator[Change]:
    """Change the pipeline of the school for the rest of the test."""

    def change(how: Callable[[Pipeline[str, str]], Pipeline[str, str]]) -> None:
        changed = dict(registry.pipelines()) | {"student": how(get_pipeline("student"))}
        monkeypatch.setattr(registry, "pipelines", lambda: changed)
        registry.steps.cache_clear()

    yield change
    monkeypatch.undo()
    registry.steps.cache_clear()


def candidate(school: School) -> str:
    """Train a model and evaluate it; return its id."""
    school.run("freeze")
    model: str = school.run("train")["model_id"]
    school.run("evaluate", model_id=model)
    return model


def files(school: School, result: JsonObject) -> dict[str, str]:
    manifest = school.store.manifest(result["files"]["manifest"])
    found = {}
    for name, ref in manifest.files.items():
        with school.store.open(ref) as file:
            found[name] = file.read().decode()
    return found


def report(school: School, result: JsonObject) -> JsonObject:
    (text,) = (t for name, t in files(school, result).items() if name.startswith("train/promotion/reports/default/"))
    told: JsonObject = json.loads(text)
    return told


def test_without_a_name_the_latest_candidate_is_promoted_with_report_and_card(school: School) -> None:
    school.label(100)
    model = candidate(school)
    result = school.run("promote")
    assert (result["promoted"], result["model_id"], school.active()) == (True, model, model)
    names = files(school, result)
    card = names[f"train/model_cards/default/{model}.md"]
    assert "Promoted by teacher" in card
    assert "**min_rows** (all), passed" in card
    assert report(school, result)["outcome"] == "promoted"
    assert result["advice"].split(": ")[1] in names


@pytest.mark.parametrize("name", ["version", "id"])
def test_a_model_is_named_by_id_or_version(school: School, name: str) -> None:
    school.label(100)
    model = school.model(candidate(school))
    assert school.run("promote", model_id=getattr(model, name))["promoted"]


def test_a_model_is_named_as_its_provider_does(school: School) -> None:
    school.label(100)
    model = candidate(school)
    with school.database.transaction() as conn:
        conn.execute("""UPDATE models SET parameters = '{"provider_model": "ft:gpt:org::abc"}'""")
    assert school.run("promote", model_id="ft:gpt:org::abc")["model_id"] == model
    assert school.refusal("promote", model_id="ft:gpt:org::other")["code"] == "not-found"


def test_a_dry_run_checks_and_writes_everything_and_changes_nothing(school: School) -> None:
    school.label(100)
    model = candidate(school)
    before = school.model(model)
    result = school.run("promote", dry_run=True)
    assert (result["promoted"], result["dry_run"], school.active()) == (False, True, None)
    assert "would be promoted" in result["sentence"]
    assert school.history() == []
    assert school.model(model) == before
    told = report(school, result)
    assert (told["outcome"], told["evaluation"]["passed"]) == ("dry-run", True)
    assert "A dry run: " in files(school, result)[f"train/model_cards/default/{model}.md"]
    assert school.run("promote")["promoted"]


def test_a_failed_gate_blocks_and_no_force_helps(school: School, skill: Skill) -> None:
    school.label(300)
    skill(90)
    assert school.run("retrain")["promoted"]
    skill(30)
    worse = candidate(school)
    for force in ({}, {"force": True, "reason": "I want it"}):
        result = school.run("promote", model_id=worse, **force)
        assert not result["promoted"]
        assert "the candidate is worse" in result["sentence"]
        assert "With --force" not in result["sentence"]
        told = report(school, result)
        assert (told["outcome"], told["evaluation"]["passed"], told["waived"]) == ("blocked", False, [])
        assert result["advice"].startswith("The report has every figure: train/promotion/reports/default/promotion_")
        dry = school.run("promote", model_id=worse, dry_run=True, **force)
        assert (dry["promoted"], dry["dry_run"], report(school, dry)["dry_run"]) == (False, True, True)
        assert (result["dry_run"], told["dry_run"]) == (False, False)
    assert len(school.history()) == 1


def test_force_waives_a_minimum_of_rows_and_history_says_who_and_why(school: School) -> None:
    school.label(100, days_ago=90)
    assert school.run("retrain")["promoted"]
    school.label(100, start=1000, days_ago=80)
    model = candidate(school)  # nobody labelled anything in the window `recent`
    refused = school.run("promote", model_id=model)
    assert not refused["promoted"]
    assert refused["sentence"].endswith("With --force and a reason it would be.")
    forced = school.run("promote", model_id=model, force=True, reason="labels come on Monday")
    assert (forced["promoted"], forced["forced"], school.active()) == (True, True, model)
    latest = school.history()[0]
    assert latest.actor == "teacher"
    assert latest.reason.startswith("Forced: labels come on Monday Waived: Only 0 held-out rows in window recent")
    told = report(school, forced)
    assert (told["forced"], told["reason"], told["waived"]) == (True, "labels come on Monday", ["no_regression"])
    assert (
        "Forced (labels come on Monday): no_regression waived."
        in files(school, forced)[f"train/model_cards/default/{model}.md"]
    )


def test_force_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="force needs a reason"):
        get_step("router.promote").params.model_validate({"force": True})


def test_no_evaluated_row_is_a_failure_that_force_does_not_waive(school: School) -> None:
    school.label(100)
    model = candidate(school)
    with school.database.transaction() as conn:
        conn.execute("""UPDATE evaluations SET metrics = '{"all": {"rows": 0, "candidate": {}, "active": null}}'""")
    for force in ({}, {"force": True, "reason": "still"}):
        result = school.run("promote", model_id=model, **force)
        assert "no held-out row was evaluated" in result["sentence"]
    assert school.active() is None


def test_too_few_rows_in_the_dataset_block_until_they_are_waived(school: School, change: Change) -> None:
    school.label(100)
    model = candidate(school)
    change(lambda pipeline: replace(pipeline, min_samples=101))
    refused = school.run("promote", model_id=model)
    assert "its dataset is not fit for promotion. 100 labelled rows" in refused["sentence"]
    assert refused["sentence"].endswith("at least 101 are needed. With --force and a reason it would be.")
    assert school.run("promote", model_id=model, force=True, reason="a trial")["promoted"]


def test_what_a_pipeline_asks_of_the_dataset_is_asked_and_a_failure_is_not_waived(
    school: School, change: Change
) -> None:
    school.label(100)
    model = candidate(school)
    seen: list[tuple[str, int]] = []

    def eligible(surface: str, rows: Iterator[Row]) -> Sequence[Verdict]:
        count = len({row.id for row in rows})
        seen.append((surface, count))
        return [
            Verdict(gate="diversity", outcome=Outcome.FAIL, sentence="All rows are of one industry."),
            minimum_rows("live_min_rows", count, 400),
        ]

    change(lambda pipeline: replace(pipeline, eligible=eligible))
    for force in ({}, {"force": True, "reason": "still"}):
        result = school.run("promote", model_id=model, **force)
        assert "All rows are of one industry." in result["sentence"]
        assert "With --force" not in result["sentence"]
    assert seen == [("default", 100)] * 2
    assert [verdict["gate"] for verdict in report(school, result)["eligibility"]] == [
        "min_rows", "diversity", "live_min_rows",
    ]  # fmt: skip
    assert school.active() is None


def steps_of(school: School, job_id: str) -> list[tuple[str, str]]:
    with school.database.reading() as conn:
        return conn.execute("SELECT kind, state FROM jobs WHERE parent_id = %s ORDER BY position", [job_id]).fetchall()


def evaluations(school: School) -> int:
    with school.database.reading() as conn:
        return len(conn.execute("SELECT FROM evaluations").fetchall())


def promoted(school: School, **params: Any) -> tuple[JsonObject, list[tuple[str, str]]]:
    """Promote; return the result, and the steps that were needed for it."""
    job = school.finish(school.submit("promote", **params))
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result is not None
    return job.result, steps_of(school, job.id)


EVALUATED = [("student.evaluate", "succeeded")]


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_candidate_that_nobody_has_evaluated_is_evaluated_first(school: School, *, dry_run: bool) -> None:
    school.label(100)
    school.run("freeze")
    model = school.run("train")["model_id"]
    result, steps = promoted(school, dry_run=dry_run)
    assert (result["promoted"], result["model_id"], steps) == (not dry_run, model, EVALUATED)
    assert report(school, result)["evaluation"]["passed"]
    assert evaluations(school) == 1
    if dry_run:
        result, steps = promoted(school)
        assert (result["promoted"], steps, evaluations(school)) == (True, [], 1)


def test_an_evaluation_beside_another_model_is_made_anew_unless_it_is_named(school: School, skill: Skill) -> None:
    school.label(200)
    skill(60)
    first = candidate(school)
    skill(90)
    second = candidate(school)
    assert school.run("promote", model_id=first)["promoted"]
    with school.database.reading() as conn:
        (old,) = conn.execute("SELECT id FROM evaluations WHERE model_id = %s", [second]).fetchall()[0]
    named, steps = promoted(school, model_id=second, evaluation_id=old)
    assert "it was not compared with the model that is active now" in named["sentence"]
    assert (named["promoted"], steps) == (False, [])
    result, steps = promoted(school, model_id=second)
    assert (result["promoted"], steps, school.active()) == (True, EVALUATED, second)


def test_a_candidate_that_fails_the_gates_that_were_asked_first_is_not_promoted(school: School, skill: Skill) -> None:
    school.label(300)
    skill(90)
    assert school.run("retrain")["promoted"]
    skill(30)
    school.run("freeze")
    worse = school.run("train")["model_id"]
    result, steps = promoted(school, model_id=worse, force=True, reason="I want it")
    assert (result["promoted"], steps) == (False, EVALUATED)
    assert "the candidate is worse" in result["sentence"]


def test_a_model_that_cannot_be_evaluated_fails_the_promotion_which_can_be_retried(
    school: School, skill: Skill
) -> None:
    school.label(100)
    school.run("freeze")
    skill(-1)  # it will not load
    ill = school.run("train")["model_id"]
    job = school.finish(school.submit("promote", model_id=ill))
    assert (job.state, steps_of(school, job.id)) == (JobState.FAILED, [("student.evaluate", "failed")])
    assert job.error is not None
    assert job.error["message"] == "the student is ill"
    with school.database.transaction() as conn:
        jobs.retry(conn, job.id, "teacher")
    assert school.finish(job.id).state is JobState.FAILED
    assert steps_of(school, job.id) == [("student.evaluate", "failed")]
    assert school.active() is None


def test_cancelled_while_it_waits_it_takes_the_evaluation_along(school: School) -> None:
    school.label(100)
    school.run("freeze")
    school.run("train")
    job_id = school.submit("promote")
    run_job(job_id)
    assert (school.job(job_id).state, steps_of(school, job_id)) == (JobState.WAITING, [("student.evaluate", "queued")])
    with school.database.transaction() as conn:
        jobs.cancel(conn, job_id, "teacher")
    assert steps_of(school, job_id) == [("student.evaluate", "cancelled")]
    assert school.job(job_id).state is JobState.CANCELLED


def test_the_active_model_is_not_evaluated_again_to_say_that_it_is_active(school: School) -> None:
    school.label(100)
    school.run("freeze")
    model = school.run("train")["model_id"]
    school.run("activate", model_id=model, reason="Nobody else is there.", force=True)
    result, steps = promoted(school, model_id=model)
    assert (result["promoted"], steps) == (False, [])
    assert result["sentence"].endswith("it is active already.")
    (name,) = files(school, result)  # no card: there is nothing to say in it
    assert name.startswith("train/promotion/reports/default/promotion_")


def test_what_else_was_found_out_is_held_against_a_model(school: School, change: Change) -> None:
    school.label(100)
    model = candidate(school)
    said = [Verdict(gate="evals", outcome=Outcome.FAIL, sentence="Its latest evals did not pass.")]
    change(lambda pipeline: replace(pipeline, reports=lambda _, __, model_id: said if model_id == model else ()))
    for force in ({}, {"force": True, "reason": "still"}):
        result = school.run("promote", **force)
        assert result["sentence"].endswith("was not promoted: Its latest evals did not pass.")
    assert [verdict["gate"] for verdict in report(school, result)["reports"]] == ["evals"]
    said.clear()
    assert school.run("promote")["promoted"]


def test_whoever_is_slower_is_refused_with_a_report_that_says_so(school: School, change: Change) -> None:
    """Another promotion lands between the decision and the transaction: through the hook, which is asked in between."""
    school.label(200)
    first = candidate(school)
    school.label(20, start=200)
    second = candidate(school)

    def meanwhile(surface: str, rows: Iterator[Row]) -> Sequence[Verdict]:
        with school.database.transaction() as conn:
            conn.execute("UPDATE models SET state = 'active' WHERE id = %s", [first])
        return ()

    change(lambda pipeline: replace(pipeline, eligible=meanwhile))
    result = school.run("promote", model_id=second)
    assert "Run student.promote again" in result["sentence"]
    assert (result["promoted"], school.active()) == (False, first)
    assert report(school, result)["outcome"] == "blocked"
