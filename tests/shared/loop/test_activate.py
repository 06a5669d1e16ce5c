"""Moving the pointer by hand: activate, rollback, deactivate."""

from collections.abc import Callable

import pytest

from shared.contracts import ModelState
from shared.registry import get_step
from tests.support.school import School

Skill = Callable[[int], None]


@pytest.fixture
def generations(school: School, skill: Skill) -> list[str]:
    """Three models, each promoted over the one before; the last one is active."""
    school.label(300)
    made = []
    for share in (50, 70, 90):
        skill(share)
        made.append(school.run("retrain")["model_id"])
    assert school.active() == made[-1]
    return made


def test_rollback_goes_back_and_further_back_never_forth(school: School, generations: list[str]) -> None:
    first, second, third = generations
    result = school.run("rollback", reason="too strict")
    assert result["promoted"]
    assert result["previous_id"] == third
    assert school.active() == second
    school.run("rollback", reason="still too strict")
    assert school.active() == first
    result = school.run("rollback", reason="why not")
    assert not result["promoted"]
    assert result["sentence"] == "student was not rolled back: no model was active before the present one."
    latest = school.history()[0]
    assert (latest.kind, latest.from_model, latest.to_model) == ("rollback", second, first)
    assert (latest.actor, latest.reason) == ("teacher", "still too strict")


def test_rollback_to_a_given_model(school: School, generations: list[str], skill: Skill) -> None:
    assert school.run("rollback", model_id=generations[0], reason="the old one")["promoted"]
    assert school.active() == generations[0]
    again = school.run("rollback", model_id=generations[0], reason="again")
    assert again["sentence"].endswith("is active already.")
    candidate = school.run("train")["model_id"]
    never = school.run("rollback", model_id=candidate, reason="mistaken")
    assert not never["promoted"]
    assert "has never been active" in never["sentence"]


def test_rollback_of_a_model_that_cannot_be_loaded_changes_nothing(
    school: School, generations: list[str], skill: Skill
) -> None:
    file = school.store.manifest(school.model(generations[1]).manifest).files["model.json"]
    (blob,) = school.store._blobs.rglob(file.sha256)  # type: ignore[attr-defined]  # behind the store's back
    blob.chmod(0o600)
    blob.write_bytes(b"x" * file.size)
    error = school.refusal("rollback", reason="back")
    assert error["code"] == "corrupt"
    assert school.active() == generations[2]
    assert len(school.history()) == 3


def test_broken_model_is_not_even_activated_by_force(school: School, generations: list[str], skill: Skill) -> None:
    skill(-1)
    ill = school.run("train")["model_id"]
    assert school.refusal("activate", model_id=ill, reason="try", force=True)["message"] == "the student is ill"
    assert school.active() == generations[2]


def test_activation_needs_a_passed_evaluation_or_force(school: School, generations: list[str], skill: Skill) -> None:
    skill(20)
    worse = school.run("retrain")["model_id"]
    refused = school.run("activate", model_id=worse, reason="a trial")
    assert not refused["promoted"]
    assert "the candidate is worse" in refused["sentence"]
    assert school.active() == generations[2]
    forced = school.run("activate", model_id=worse, reason="a trial", force=True)
    assert forced["promoted"]
    assert school.active() == worse
    (latest, *_) = school.history()
    assert (latest.kind, latest.reason) == ("activate", "a trial")
    assert latest.verdicts
    school.run("rollback", reason="the trial is over")
    assert school.active() == generations[2]


def test_deactivation_and_the_way_back(school: School, generations: list[str]) -> None:
    result = school.run("deactivate", reason="labels are being reviewed")
    assert result["deactivated"]
    assert school.active() is None
    assert school.model(generations[2]).state is ModelState.RETIRED
    assert not school.run("deactivate", reason="again")["deactivated"]
    assert school.run("rollback", reason="reviewed")["promoted"]
    assert school.active() == generations[2]
    assert [p.kind for p in school.history()][:2] == ["rollback", "deactivate"]


def test_deactivation_of_a_model_that_is_not_active_changes_nothing(school: School, generations: list[str]) -> None:
    result = school.run("deactivate", model_id=generations[0], reason="mistaken")
    assert not result["deactivated"]
    assert result["sentence"] == f"student was left as it is: {generations[0]} is not the active model."
    assert school.active() == generations[2]
    assert school.run("deactivate", model_id=generations[2], reason="meant")["deactivated"]


@pytest.mark.parametrize("reason", ["", "\0", "x" * 1001])
def test_reason_is_a_sentence_that_can_be_stored(school: School, reason: str) -> None:
    with pytest.raises(ValueError, match="reason"):
        get_step("student.deactivate").params.model_validate({"reason": reason})
