"""From a step's parameters to options and back, for every kind of field that a step may have."""

import inspect
from enum import StrEnum
from typing import Literal, get_args

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from api.commands.errors import CommandError, ExitCode
from api.commands.options import options_of, parse
from shared.contracts import Contract, JsonObject, Surface


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(Contract):
    depth: int


class Params(Contract):
    surface: Surface = "default"
    model_id: str = Field(description="Which model.")
    seed: int | None = None
    share: float = Field(0.2, gt=0, lt=1)
    force: bool = False
    colour: Colour = Colour.RED
    mode: Literal["fast", "slow"] = "fast"
    names: list[str] = Field(default_factory=list)
    inner: Inner | None = None
    limits: dict[str, int] = Field(default_factory=dict)


def _annotation(name: str) -> object:
    found = next(option for option in options_of(Params) if option.name == name)
    bare, _ = get_args(found.annotation)
    return bare


def test_every_field_is_an_option_and_only_required_ones_must_be_given() -> None:
    options = options_of(Params)
    assert [option.name for option in options] == list(Params.model_fields)
    required = [option.name for option in options if option.default is inspect.Parameter.empty]
    assert required == ["model_id"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("surface", str),
        ("model_id", str),
        ("seed", int | None),
        ("share", float),
        ("force", bool),
        ("colour", Colour),
        ("mode", Literal["fast", "slow"]),
        ("names", list[str] | None),
        ("inner", str | None),
        ("limits", str | None),
    ],
)
def test_types_of_options(name: str, kind: object) -> None:
    assert _annotation(name) == kind


def test_defaults_are_left_to_the_api() -> None:
    given = {"model_id": "mdl_1", "seed": None, "force": False, "colour": Colour.RED}
    assert parse(Params, given) == {"model_id": "mdl_1"}


def test_objects_are_written_as_json() -> None:
    given = {"model_id": "mdl_1", "inner": '{"depth": 3}', "limits": '{"a": 1}', "colour": Colour.BLUE}
    expected: JsonObject = {"model_id": "mdl_1", "inner": {"depth": 3}, "limits": {"a": 1}, "colour": "blue"}
    assert parse(Params, given) == expected


def test_a_text_that_looks_like_json_stays_a_text() -> None:
    assert parse(Params, {"model_id": "123"}) == {"model_id": "123"}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"model_id": "m", "share": 2.0}, "--share"),
        ({"model_id": "m", "surface": "Not A Surface"}, "--surface"),
        ({"model_id": "m", "inner": "no json"}, "--inner"),
        ({"model_id": "m", "inner": '{"depth": "deep"}'}, "--inner.depth"),
        ({}, "--model-id"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_sent(given: JsonObject, named: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse(Params, given)
    assert caught.value.exit_code is ExitCode.USAGE
    assert f"{named}:" in caught.value.message


class TwoNames(Contract):
    model_id: str | None = Field(default=None, json_schema_extra={"also": "model"})
    force: bool = False


@pytest.mark.parametrize("flag", ["--model-id", "--model"])
def test_an_option_may_have_a_second_name(flag: str) -> None:
    given: JsonObject = {}

    def run(**options: object) -> None:
        given.update(options)

    run.__signature__ = inspect.Signature(options_of(TwoNames))  # type: ignore[attr-defined]
    app = typer.Typer()
    app.command()(run)
    assert CliRunner().invoke(app, [flag, "v1"]).exit_code == 0
    assert given == {"model_id": "v1", "force": False}
