"""A candidate shares the traffic: which inputs it gets, what is compared, how it ends. And surfaces that are pinned."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.errors import InsufficientPrivilege

from shared import models
from shared.contracts import JsonObject, Path
from shared.db import canaries, pins, predictions
from shared.db.predictions import Prediction
from shared.ids import new_id
from shared.loop.answers import Answered
from shared.loop.serving import Choice, agreement, choose, compare, has_share, key_of
from shared.registry import get_step
from tests.support.school import School

Skill = Callable[[int], None]


@pytest.fixture
def two(school: School, skill: Skill) -> tuple[str, str]:
    """The active model, and a candidate that passed its evaluation."""
    school.label(200)
    skill(60)
    active: str = school.run("retrain")["model_id"]
    skill(90)
    candidate: str = school.run("train")["model_id"]
    assert school.run("evaluate")["passed"]
    return active, candidate


def choice(school: School, text: str) -> Choice:
    with school.database.reading() as conn:
        return choose(conn, "student", "default", key_of(text))


def chosen(school: School, texts: int = 300) -> dict[str | None, int]:
    """Count who would answer some inputs."""
    counts: dict[str | None, int] = {}
    for number in range(texts):
        model = choice(school, f"question {number}").model
        who = model.id if model else None
        counts[who] = counts.get(who, 0) + 1
    return counts


# --- whose input it is ----------------------------------------------------------------------------------------------


@given(st.text(), st.integers(0, 100), st.integers(0, 100))
def test_an_input_of_a_small_share_is_in_every_larger_one(text: str, one: int, other: int) -> None:
    key = key_of(text)
    small, large = sorted((one, other))
    assert has_share("mdl_a", small, key) <= has_share("mdl_a", large, key)
    assert has_share("mdl_a", 100, key)
    assert not has_share("mdl_a", 0, key)


def test_shares_are_as_large_as_they_say_and_differ_between_models() -> None:
    keys = [key_of(number) for number in range(5000)]
    one, other = ({key for key in keys if has_share(model, 10, key)} for model in ("mdl_a", "mdl_b"))
    assert 400 < len(one) < 600
    assert len(one & other) < 100


def test_the_same_input_is_the_same_key_however_it_is_written() -> None:
    assert key_of({"a": 1, "b": [2]}) == key_of(json.loads('{ "b": [2], "a": 1 }'))
    assert key_of({"a": 1}) != key_of({"a": 2})


def test_agreement_is_the_share_of_equal_fields() -> None:
    assert agreement({"a": 1, "b": 2}, {"a": 1, "b": 3}) == 0.5
    assert agreement({"a": None}, {}) == 0
    assert agreement({}, {}) == 1


# --- the steps ------------------------------------------------------------------------------------------------------


def test_a_canary_gets_its_share_for_the_same_inputs_until_it_is_ended(school: School, two: tuple[str, str]) -> None:
    active, candidate = two
    started = school.run("canary", percent=30)
    assert (started["running"], started["model_id"], started["percent"]) == (True, candidate, 30)
    counts = chosen(school)
    assert set(counts) == {active, candidate}
    assert 50 < counts[candidate] < 130
    assert chosen(school) == counts
    its = choice(school, next(t for n in range(99) if choice(school, t := f"question {n}").canary))
    assert (its.model and its.model.id, its.active and its.active.id) == (candidate, active)

    wider = school.run("canary", percent=60)
    assert (wider["canary_id"], wider["percent"]) == (started["canary_id"], 60)
    assert chosen(school)[candidate] > counts[candidate]
    ended = school.run("canary", percent=0, reason="seen enough")
    assert not ended["running"]
    assert chosen(school) == {active: 300}
    report = school.run("canary-report")
    assert (report["canary_id"], report["running"], report["ended_why"]) == (started["canary_id"], False, "seen enough")
    assert "runs." in school.run("canary", percent=0)["sentence"]


def test_only_one_canary_runs(school: School, two: tuple[str, str], skill: Skill) -> None:
    school.run("canary", percent=10)
    skill(95)
    other = school.run("train")["model_id"]
    school.run("evaluate")
    assert school.run("canary", percent=20, model_id=other)["running"]
    with school.database.reading() as conn:
        running = canaries.running(conn, "student", "default")
        first = canaries.latest(conn, "student", "default", two[1])
    assert running is not None
    assert first is not None
    assert (running.model_id, running.percent, first.ended_why) == (other, 20, "another canary")


@pytest.mark.parametrize("way", ["promote", "activate", "rollback", "deactivate"])
def test_whatever_moves_the_pointer_ends_the_canary(school: School, two: tuple[str, str], way: str) -> None:
    active, candidate = two
    if way == "rollback":
        school.run("activate", model_id=candidate, reason="first")
        school.run("canary", percent=10, model_id=active)
        school.run("rollback", reason="back")
    else:
        school.run("canary", percent=10)
        ways: dict[str, JsonObject] = {
            "promote": {"from_canary": True},
            "activate": {"model_id": candidate, "reason": "now"},
            "deactivate": {"reason": "now"},
        }
        school.run(way, **ways[way])
    with school.database.reading() as conn:
        assert canaries.running(conn, "student", "default") is None
        last = canaries.latest(conn, "student", "default")
    assert last is not None
    assert (last.ended_why, last.ended_by) == (way, "teacher")


def test_a_canary_is_refused_to_what_has_not_shown_itself(school: School, two: tuple[str, str], skill: Skill) -> None:
    active, _ = two
    assert "it is active" in school.run("canary", percent=10, model_id=active)["sentence"]
    skill(20)
    unevaluated = school.run("train")["model_id"]
    assert "has not been evaluated" in school.run("canary", percent=10, model_id=unevaluated)["sentence"]
    school.run("evaluate")
    assert "the candidate is worse" in school.run("canary", percent=10, model_id=unevaluated)["sentence"]
    forced = school.run("canary", percent=10, model_id=unevaluated, force=True, reason="a trial")
    assert forced["running"]
    with pytest.raises(ValueError, match="force needs a reason"):
        get_step("student.canary").params.model_validate({"percent": 5, "force": True})
    skill(-1)
    ill = school.run("train")["model_id"]
    error = school.refusal("canary", percent=10, model_id=ill, force=True, reason="a trial")
    assert error["message"] == "the student is ill"


def test_promotion_starts_from_the_canary_and_tells_how_it_compared(school: School, two: tuple[str, str]) -> None:
    active, candidate = two
    assert school.refusal("promote", from_canary=True)["advice"].startswith("name the model")
    school.run("canary", percent=50)
    pair(school, {"answer": "EASY"}, {"answer": "HARD"})
    wrong = school.refusal("promote", from_canary=True, model_id=active)
    assert wrong["message"] == f"the canary is another model, {candidate}"
    result = school.run("promote", from_canary=True)
    assert (result["promoted"], school.active()) == (True, candidate)
    manifest = school.store.manifest(result["files"]["manifest"])
    (name,) = (name for name in manifest.files if "/reports/" in name)
    with school.store.open(manifest.files[name]) as file:
        told = json.loads(file.read())["canary"]
    assert (told["pairs"], told["same"], told["agreement"], told["active_id"]) == (1, 0, 0.0, active)


# --- the report -----------------------------------------------------------------------------------------------------


def answered(output: JsonObject, confidence: float, path: Path = Path.MODEL) -> Answered:
    return Answered(output=output, confidence=confidence, path=path, model_id=None, model_version=None)


def pair(school: School, one: JsonObject, other: JsonObject, *, text: str = "a", path: Path = Path.MODEL) -> None:
    with school.database.transaction() as conn:
        canary = canaries.running(conn, "student", "default")
        assert canary is not None
        made = compare(canary.id, key_of(text), answered(one, 0.9), answered(other, 0.5, path))
        canaries.insert_pairs(conn, [made])


def test_the_report_compares_both_on_the_same_inputs(school: School, two: tuple[str, str]) -> None:
    active, candidate = two
    assert "has had no canary" in school.refusal("canary-report")["message"]
    started = school.run("canary", percent=50)
    empty = school.run("canary-report")
    assert (empty["pairs"], empty["agreement"]) == (0, None)
    assert "have not answered the same input yet" in empty["sentence"]
    pair(school, {"answer": "EASY", "why": "x"}, {"answer": "EASY", "why": "y"}, text="a")
    pair(school, {"answer": "EASY", "why": "x"}, {"answer": "EASY", "why": "y"}, text="a")  # the same input again
    pair(school, {"answer": "HARD"}, {"answer": "HARD"}, text="b", path=Path.FALLBACK)
    give(school, candidate, 2)
    give(school, active, 3)
    report = school.run("canary-report", canary_id=started["canary_id"])
    assert (report["pairs"], report["same"], report["agreement"]) == (2, 1, 0.75)
    assert report["canary_confidence"] == pytest.approx(0.9)
    assert report["active_confidence"] == pytest.approx(0.5)
    assert report["paths"] == {"canary": {"model": 1.0}, "active": {"fallback": 0.5, "model": 0.5}}
    assert (report["canary_answers"], report["active_answers"]) == (2, 3)
    assert "answered 2 inputs both: 1 the same, with 75% of the fields equal." in report["sentence"]


@pytest.mark.parametrize("table", ["canary_pairs", "canaries", "pins"])
def test_training_never_sees_what_canaries_answered(school: School, table: str) -> None:
    with school.database.training_data() as conn, pytest.raises(InsufficientPrivilege):
        conn.execute(f"SELECT FROM {table}")


def give(school: School, model_id: str, count: int) -> None:
    with school.database.transaction() as conn:
        (now,) = conn.execute("SELECT clock_timestamp()").fetchone() or ()
        rows = [
            Prediction(
                id=new_id("pred"), pipeline="student", surface="default", model_id=model_id, path="model",
                confidence=0.5, output={}, created_at=now,
            )
            for _ in range(count)
        ]  # fmt: skip
        predictions.insert(conn, rows)


# --- pins -----------------------------------------------------------------------------------------------------------


def test_a_pinned_surface_answers_without_a_model_until_it_is_unpinned(school: School, two: tuple[str, str]) -> None:
    active, _ = two
    school.run("canary", percent=50)
    pinned = school.run("pin", reason="an audit")
    assert (pinned["pinned"], pinned["changed"], pinned["model_id"]) == (True, True, active)
    assert choice(school, "a") == Choice(model=None, active=None, pinned=True)
    assert chosen(school, 50) == {None: 50}
    again = school.run("pin", reason="another audit")
    assert (again["changed"], "already" in again["sentence"]) == (False, True)
    assert "is pinned" in school.run("canary", percent=60)["sentence"]
    assert school.active() == active
    unpinned = school.run("unpin", reason="the audit is over")
    assert (unpinned["pinned"], unpinned["changed"]) == (False, True)
    assert None not in chosen(school, 50)
    assert not school.run("unpin", reason="again")["changed"]
    with school.database.reading() as conn:
        (kept,) = pins.list_pins(conn, "student", "default")
    assert (kept.actor, kept.reason, kept.ended_by, kept.ended_why) == (
        "teacher", "an audit", "teacher", "the audit is over",
    )  # fmt: skip


def test_a_promotion_of_a_pinned_surface_moves_the_pointer_only(school: School, two: tuple[str, str]) -> None:
    school.run("pin", reason="an audit")
    assert school.run("promote", model_id=two[1])["promoted"]
    assert choice(school, "a").model is None


def test_models_config_shows_who_answers_as_a_file(school: School, two: tuple[str, str]) -> None:
    active, candidate = two
    school.run("canary", percent=20)
    shown = school.run("models-config")
    with school.database.reading() as conn:
        version, other = (models.get(conn, model).version for model in two)
    assert shown["surfaces"] == {
        "default": {
            "model": version, "model_id": active, "version": version, "base_model": None, "pinned": False,
            "pin_reason": None, "fallback": "deterministic", "answers": "model",
            "canary": {"model": other, "model_id": candidate, "version": other, "percent": 20},
        }
    }  # fmt: skip
    assert school.run("models-config") == shown
    manifest = school.store.manifest(shown["files"]["manifest"])
    with school.store.open(manifest.files["models.json"]) as file:
        written = json.loads(file.read())
    assert written == {"format": "tuneyard_models_v1", "pipeline": "student", "surfaces": shown["surfaces"]}
    school.run("pin", reason="an audit")
    pinned = school.run("models-config")["surfaces"]["default"]
    assert (pinned["pinned"], pinned["pin_reason"], pinned["answers"]) == (True, "an audit", "deterministic")
