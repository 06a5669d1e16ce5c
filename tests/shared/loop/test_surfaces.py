"""A pipeline's own word for its surfaces, and what its steps take then."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from api.commands.options import flag_of
from shared.loop.freeze import FreezeParams
from shared.loop.steps import steps_of
from shared.pipeline import Pipeline, Step
from tests.support.pupil import PIPELINE as PUPIL

STAGED = replace(PUPIL, name="staged", surfaces=("one", "two"), surface_word="stage")


def freeze_of(pipeline: Pipeline[Any, Any]) -> Step[Any]:
    return next(step for step in steps_of(pipeline) if step.name == "freeze")


def test_without_a_word_of_its_own_nothing_changes() -> None:
    assert freeze_of(PUPIL).params is FreezeParams


def test_both_words_mean_the_surface_and_it_is_stored_under_one() -> None:
    params = freeze_of(STAGED).params
    for word in ("stage", "surface"):
        assert params.model_validate({word: "two"}).model_dump()["surface"] == "two"
    assert params.model_validate_json('{"stage": "two"}', strict=True).surface == "two"
    with pytest.raises(ValidationError):
        params.model_validate({"stage": "one", "surface": "two"})


def test_where_there_is_no_default_one_must_be_named() -> None:
    with pytest.raises(ValidationError):
        freeze_of(STAGED).params.model_validate({})
    only = freeze_of(replace(PUPIL, surfaces=("one",))).params
    assert only.model_validate({}).surface == "one"


def test_its_option_has_the_pipelines_word() -> None:
    params = freeze_of(STAGED).params
    assert flag_of("surface", params.model_fields["surface"]) == "stage"
    assert "One of one, two." in str(params.model_fields["surface"].description)
    assert "stage" not in FreezeParams.model_json_schema()["properties"]
