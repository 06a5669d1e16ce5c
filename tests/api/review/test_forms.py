"""Forms of steps: every step has one, and what a form writes, it reads."""

import math
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, model_validator

from api.review.forms import Field as FormField
from api.review.forms import Form, form_of, read, values_of, written
from api.review.forms.values import Kind
from api.review.render import environment
from shared.contracts import Contract, JsonObject
from shared.files import Upload
from shared.pipeline import Step
from shared.registry import steps
from tests.support.probe import PIPELINE as PROBE

DEEPEST = 32
EVERY_STEP = [*steps().values(), *PROBE.extra_steps]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text("abc é\n"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)
_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
# what an input of one line can hold; a longer text may have lines of its own
_LINE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1)
_LONG = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1)


class Inner(Contract):
    """A part."""

    depth: int = Field(default=1, ge=0, lt=10)
    note: str | None = None


class Everything(Contract):
    """A model with a field of each kind."""

    name: str = Field(min_length=2, max_length=20, description="What it is `called`.", examples=["Ada"])
    story: str = Field(default="", max_length=1000)
    share: float = Field(default=0.5, gt=0, le=1)
    count: int | None = Field(default=None, ge=1)
    live: bool = Field(default=False, json_schema_extra={"off": "dry-run"})
    sure: bool | None = None
    mode: Literal["fast", "slow"] = "fast"
    level: Literal[1, 2] | None = None
    colours: tuple[Literal["red", "blue"], ...] = ()
    ids: tuple[Annotated[str, Field(pattern=r"^[a-z]+$")], ...] = ()
    numbers: tuple[int, ...] | None = None
    day: date | None = None
    at: datetime | None = None
    file: Upload | None = None
    files: tuple[Upload, ...] = ()
    facts: JsonObject | None = None
    inner: Inner = Inner()
    perhaps: Inner | None = None
    either: int | str = 1

    @model_validator(mode="after")
    def _together(self) -> "Everything":
        if self.level == 2 and self.mode == "fast":
            raise ValueError("level 2 is only for the slow mode")
        return self


FORM = form_of(Everything)


@pytest.mark.parametrize("step", EVERY_STEP, ids=lambda step: step.kind)
def test_the_form_of_every_step_is_drawn_and_its_defaults_are_accepted_or_named_as_required(step: Step[Any]) -> None:
    form = form_of(step.params)
    assert [field.name for field in form] == list(step.params.model_fields)
    reading = read(step.params, form, written(form), DEEPEST)
    if reading.params is None:
        required = {field.name for field in form if field.required}
        # a rule over several fields says so at the top of the form
        assert set(reading.faults) == required or (not required and set(reading.faults) == {""})
    else:
        assert reading.params == step.params()
    drawn = _draw(form, written(form))
    assert all(f'name="{field.name}"' in drawn for field in form if field.kind is not Kind.GROUP)


def _draw(form: Form, values: Any, faults: Any = None, first: str = "") -> str:
    macros: Any = environment().get_template("forms.html").module
    return str(macros.fields(form, values, faults or {}, {}, first, 1000))


_STRATEGIES: dict[Kind, Callable[[FormField], st.SearchStrategy[Any]]] = {
    Kind.GROUP: lambda field: _of_form(field.fields),
    Kind.SWITCH: lambda _: st.booleans(),
    Kind.CHOICE: lambda field: st.sampled_from(field.options),
    Kind.CHOICES: lambda field: st.sets(st.sampled_from(field.options)).map(
        lambda chosen: [option for option in field.options if option in chosen]
    ),
    Kind.NUMBER: lambda field: st.integers() if field.schema["type"] == "integer" else _FLOATS,
    Kind.LINES: lambda field: st.lists(
        _LONG if field.schema["items"]["type"] == "string" else st.integers(), min_size=1
    ),
    Kind.UPLOAD: lambda _: st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    Kind.UPLOADS: lambda _: st.lists(_LONG, min_size=1),
    Kind.JSON: lambda _: _JSON.filter(lambda value: value is not None),
    Kind.DATE: lambda _: st.dates().map(date.isoformat),
    Kind.TIME: lambda _: st.datetimes().map(lambda at: f"{at.replace(microsecond=0).isoformat()}Z"),
    Kind.LONG: lambda _: _LONG,
    Kind.TEXT: lambda field: _text(field.schema.get("pattern")),
}


def _text(pattern: str | None) -> st.SearchStrategy[str]:
    if pattern is None:
        return _LINE
    # spaces around what fits its pattern only without them are left out
    return st.from_regex(pattern, fullmatch=True, alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E))


def _values_of(field: FormField) -> st.SearchStrategy[Any]:
    """Return values that the field's input can hold, whether its model takes them or not."""
    strategy = _STRATEGIES[field.kind](field)
    return st.none() | strategy if field.nullable and field.kind is not Kind.GROUP else strategy


def _of_form(form: Form) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({field.name.rpartition(".")[2]: _values_of(field) for field in form})


@pytest.mark.parametrize("whose", ["of-each-kind", "of-a-step"])
@settings(max_examples=30)
@given(data=st.data())
def test_what_a_form_writes_it_reads(whose: str, data: st.DataObject) -> None:
    form = FORM if whose == "of-each-kind" else form_of(data.draw(st.sampled_from(EVERY_STEP)).params)
    values = data.draw(_of_form(form))
    faults: list[Any] = []
    again = values_of(form, written(form, values), faults, DEEPEST)
    assert not faults
    assert _given(again) == _given(values)


def _given(values: JsonObject) -> JsonObject:
    """Leave out what is None: that is also what being left out means."""
    inner = {name: _given(value) if name in ("inner", "perhaps") and value else value for name, value in values.items()}
    return {name: value for name, value in inner.items() if value is not None}


def test_each_kind_of_field_has_its_input() -> None:
    kinds = {field.name: field.kind for field in FORM}
    assert kinds == {
        "name": Kind.TEXT, "story": Kind.LONG, "share": Kind.NUMBER, "count": Kind.NUMBER, "live": Kind.SWITCH,
        "sure": Kind.CHOICE, "mode": Kind.CHOICE, "level": Kind.CHOICE, "colours": Kind.CHOICES, "ids": Kind.LINES,
        "numbers": Kind.LINES, "day": Kind.DATE, "at": Kind.TIME, "file": Kind.UPLOAD, "files": Kind.UPLOADS,
        "facts": Kind.JSON, "inner": Kind.GROUP, "perhaps": Kind.GROUP, "either": Kind.JSON,
    }  # fmt: skip
    drawn = _draw(FORM, written(FORM))
    for part in (
        "What it is <code>called</code>.", 'placeholder="Ada"', 'type="date"', 'type="datetime-local"', "Dry run",
        'name="inner.depth"', "0 to 9.", "1 or more.", 'value="fast" selected', "data-upload",
    ):  # fmt: skip
        assert part in drawn


SENT = {"name": ["Ada"], "mode": ["fast"], "share": ["0.5"], "inner.depth": ["1"]}


@pytest.mark.parametrize(
    ("sent", "name", "said"),
    [
        ({"name": [""]}, "name", "This is required."),
        ({"name": ["A"]}, "name", "String should have at least 2 characters."),
        ({"share": ["much"]}, "share", "Enter a number."),
        ({"share": ["1e999"]}, "share", "Enter a number."),
        ({"share": ["0"]}, "share", "Input should be greater than 0."),
        ({"count": ["1.5"]}, "count", "Enter a whole number."),
        ({"count": ["9" * 2000]}, "count", "Enter a whole number."),
        ({"mode": ["<b>"]}, "mode", "Input should be 'fast' or 'slow'."),
        ({"ids": ["ab\r\nCD"]}, "ids", "Line 2: It does not fit the pattern ^[a-z]+$."),
        ({"numbers": ["1\ntwo"]}, "numbers", "Enter a whole number."),
        ({"facts": ["{"]}, "facts", "This is no JSON: line 1, column 2:"),
        ({"facts": ["[1]"]}, "facts", "Enter a JSON object: { … }."),
        ({"facts": ['{"a": NaN}']}, "facts", "It holds a number that cannot be kept."),
        ({"facts": ['{"a": 1e999}']}, "facts", "It holds a number that cannot be kept."),
        ({"facts": ['{"a": ' + "9" * 5000 + "}"]}, "facts", "It holds a number that cannot be kept."),
        ({"facts": ['{"a": "\\u0000"}']}, "facts", "It holds a NUL character"),
        ({"facts": ["[" * 99 + "]" * 99]}, "facts", "It is nested deeper than 32 levels"),
        ({"name": ["a\0b"]}, "name", "It holds a NUL character"),
        ({"file": ["digits"]}, "file", "Choose a file, or enter the 64 digits"),
        ({"inner.depth": ["10"]}, "inner.depth", "Input should be less than 10."),
        ({"day": ["2026-02-31"]}, "day", "Input should be a valid date"),
        ({"level": ["2"]}, "", "Level 2 is only for the slow mode."),
    ],
)
def test_a_fault_is_told_beside_its_field_and_what_was_typed_stays(
    sent: dict[str, list[str]], name: str, said: str
) -> None:
    all_sent = {**SENT, **sent}
    reading = read(Everything, FORM, all_sent, DEEPEST)
    assert reading.params is None
    assert list(reading.faults) == [name]
    assert reading.faults[name].startswith(said)
    drawn = _draw(FORM, all_sent, reading.faults, name)
    if name:
        assert f'id="e-{name}">{reading.faults[name].replace(chr(39), "&#39;")}' in drawn.replace("&#34;", '"')
        assert 'aria-invalid="true"' in drawn
        assert "autofocus" in drawn
    if name == "mode":
        assert "<option selected>&lt;b&gt;</option>" in drawn


def test_several_faults_at_once() -> None:
    reading = read(Everything, FORM, {"name": ["A"], "share": ["7"], "inner.depth": ["-1"]}, DEEPEST)
    assert set(reading.faults) == {"name", "share", "inner.depth"}


def test_what_is_sent_becomes_what_the_api_would_have_made_of_it() -> None:
    sent = {
        **SENT, "story": ["one\r\ntwo"], "count": [" 3 "], "live": ["", "on"], "sure": ["false"], "level": ["1"],
        "colours": ["blue", "red"], "ids": ["a\r\n\r\n b "], "numbers": ["[4, 5]"], "day": ["2026-02-28"],
        "at": ["2026-02-28T10:20"], "facts": ['{"a": 1}'], "perhaps.depth": [""], "perhaps.note": ["yes"],
        "either": ["2"],
    }  # fmt: skip
    reading = read(Everything, FORM, sent, DEEPEST)
    assert reading.params is not None, reading.faults
    assert reading.params.model_dump(mode="json") == {
        "name": "Ada", "story": "one\ntwo", "share": 0.5, "count": 3, "live": True, "sure": False, "mode": "fast",
        "level": 1, "colours": ["red", "blue"], "ids": ["a", "b"], "numbers": [4, 5], "day": "2026-02-28",
        "at": "2026-02-28T10:20:00Z", "file": None, "files": [], "facts": {"a": 1},
        "inner": {"depth": 1, "note": None}, "perhaps": {"depth": 1, "note": "yes"}, "either": 2,
    }  # fmt: skip


def test_an_id_may_be_copied_with_a_space() -> None:
    model = steps()["router.evaluate"].params
    reading = read(model, form_of(model), {"model_id": [f" mdl_{'a' * 32}\t"]}, DEEPEST)
    assert reading.params == model(model_id=f"mdl_{'a' * 32}")


@settings(max_examples=25)
@given(
    sent=st.dictionaries(st.sampled_from([field.name for field in FORM]), st.lists(st.text(), min_size=1, max_size=2))
)
def test_whatever_is_sent_gets_an_answer(sent: dict[str, list[str]]) -> None:
    reading = read(Everything, FORM, sent, DEEPEST)
    assert (reading.params is None) == bool(reading.faults)
    assert "<script" not in _draw(FORM, {**sent, "name": ['"><script>alert(1)</script>']}, reading.faults)


def test_large_numbers_stay_what_they_are() -> None:
    value = 2**63 - 1
    form = form_of(steps()["router.freeze"].params)
    assert values_of(form, written(form, {"seed": value}), [], DEEPEST)["seed"] == value
    assert math.isclose(values_of(FORM, {"share": ["0.30000000000000004"]}, [], DEEPEST)["share"], 0.3)
