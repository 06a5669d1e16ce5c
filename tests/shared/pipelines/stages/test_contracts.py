"""The contracts of the stages: what they allow comes back as it was, all else is refused with a reason."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from shared.contracts import JsonObject
from shared.errors import InvalidInputError
from shared.ids import canonical_json
from shared.llm.engines.schemas import check_schema
from shared.llm.structured import schema_faults, takes_strict
from shared.pipelines.stages import contracts
from shared.pipelines.stages.contracts import (
    SCHEMA_VERSION,
    SHAPE,
    STAGES,
    Stage,
    as_json,
    parse_any_input,
    parse_input,
    parse_output,
)
from shared.pipelines.stages.contracts_parts import TEXTS
from shared.pipelines.stages.contracts_schemas import json_schema_of
from shared.pipelines.stages.sample import sample_rows
from shared.pipelines.stages.versions import INPUT_VERSIONS, OUTPUT_VERSIONS
from tests.shared.pipelines.stages.strategies import rows

SECRET = "ada@example.com"

# rows are large: shrinking one takes longer than reading it
quick = settings(
    max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
every_stage = pytest.mark.parametrize("stage", STAGES)


def sample(stage: Stage) -> tuple[JsonObject, JsonObject]:
    row = next(row for row in sample_rows(1, seed=1) if row.stage == stage)
    return as_json(row.input), as_json(row.output)


def refused(stage: Stage, raw: Any, reason: str, *, output: bool = False) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        (parse_output if output else parse_input)(stage, raw)
    assert caught.value.details["reason"] == reason
    assert caught.value.advice
    assert SECRET not in json.dumps(caught.value.as_dict())
    return caught.value


def test_versions_are_those_of_the_seed() -> None:
    for stage in STAGES:
        assert INPUT_VERSIONS[stage] == f"stage_input_{stage}_v1"
        assert OUTPUT_VERSIONS[stage] == f"{stage}_v1"
        assert contracts.stage_named(stage) == stage
    with pytest.raises(InvalidInputError):
        contracts.stage_named("default")


@every_stage
@quick
@given(data=st.data())
def test_rows_come_back_as_they_were(stage: Stage, data: st.DataObject) -> None:
    raw_input, raw_output = data.draw(rows(stage))
    value, output = parse_input(stage, raw_input), parse_output(stage, raw_output)
    assert parse_any_input(json.loads(contracts.canonical(value))) == value
    assert parse_output(stage, json.loads(contracts.canonical(output))) == output
    assert contracts.canonical(output).encode() == canonical_json(raw_output)
    assert contracts.stage_of_input(value) == stage == contracts.stage_of(raw_input)
    turned = dict(reversed(raw_input.items()))
    assert contracts.row_id(stage, parse_input(stage, turned), output) == contracts.row_id(stage, value, output)
    for model, raw in ((contracts.input_model(stage), raw_input), (contracts.output_model(stage), raw_output)):
        assert Draft202012Validator(json_schema_of(model)).is_valid(raw)
    assert not list(schema_faults(raw_output, contracts.output_schema(stage)))


@every_stage
@quick
@given(data=st.data())
def test_an_unknown_field_at_any_depth_is_refused_and_not_named(stage: Stage, data: st.DataObject) -> None:
    pair = data.draw(rows(stage))
    which = data.draw(st.sampled_from((0, 1)))
    raw = json.loads(json.dumps(pair[which]))
    place = data.draw(st.sampled_from(list(objects(raw))))
    place[SECRET] = SECRET
    refused(stage, raw, SHAPE, output=bool(which))


@every_stage
@quick
@given(data=st.data())
def test_a_missing_field_and_a_value_of_another_type_are_refused(stage: Stage, data: st.DataObject) -> None:
    raw = data.draw(rows(stage))[1]
    name = data.draw(st.sampled_from(sorted(set(raw) - {"schema_version"})))
    refused(stage, {key: value for key, value in raw.items() if key != name}, SHAPE, output=True)
    wrong = data.draw(st.sampled_from((None, 1, 1.5, True, SECRET + "\x00", {SECRET: SECRET}, [SECRET])))
    refused(stage, raw | {name: wrong}, SHAPE, output=True)


@every_stage
def test_a_row_of_another_version_is_refused_as_such(stage: Stage) -> None:
    raw_input, raw_output = sample(stage)
    for version in (None, 1, SECRET, f"{stage}_v2", "stage_input_default_v1", [SECRET]):
        refused(stage, raw_input | {"schema_version": version}, SCHEMA_VERSION)
        refused(stage, raw_output | {"schema_version": version}, SCHEMA_VERSION, output=True)
        with pytest.raises(InvalidInputError) as caught:
            parse_any_input(raw_input | {"schema_version": version})
        assert caught.value.details["reason"] == SCHEMA_VERSION
    error = refused(stage, raw_output, SCHEMA_VERSION)
    assert INPUT_VERSIONS[stage] in error.advice
    for nothing in (None, 7, "{}", [raw_input]):
        refused(stage, nothing, SHAPE)


def test_a_fault_names_its_place_and_our_words_only() -> None:
    raw, _ = sample("competitive_lens")
    raw["rivals"] = {SECRET: {"price": "lower"}, "a": {"price": SECRET}}
    message = refused("competitive_lens", raw, SHAPE).message
    assert "rivals.… is wrong" in message
    assert "rivals.a.price is wrong: input should be 'lower', 'usual' or 'higher'" in message


def test_numbers_must_be_numbers_and_texts_one_line() -> None:
    raw, _ = sample("quant_signals")
    for wrong in ("3", 3.0, True, -1, 25):
        refused("quant_signals", raw | {"months": wrong}, SHAPE)
    _, said = sample("quant_signals")
    for wrong in ("", " ", "a\nb", "a\x00", "a\u2028b", "a" * 301, "\ud800"):
        refused("quant_signals", said | {"summary": wrong}, SHAPE, output=True)


def test_nothing_is_named_twice() -> None:
    _, said = sample("quant_signals")
    twice = refused("quant_signals", said | {"signals": said["signals"][:1] * 2}, SHAPE, output=True)
    assert "signals names the same signal twice" in twice.message
    _, said = sample("synthesis_decision")
    first = said["actions"][0]
    shouted = first | {"action": f" {first['action'].upper()}  "}
    refused("synthesis_decision", said | {"actions": [first, shouted]}, SHAPE, output=True)
    doubled = first | {"evidence": first["evidence"][:1] * 2}
    refused("synthesis_decision", said | {"actions": [doubled]}, SHAPE, output=True)


def test_figures_of_no_area_and_hours_of_no_role_are_no_input() -> None:
    raw, _ = sample("quant_signals")
    bare = {name: raw[name] for name in ("schema_version", "company", "months")}
    assert "one area at least" in refused("quant_signals", bare | {"jobs": None}, SHAPE).message
    raw, _ = sample("emyth_owner_load")
    assert "one role at least" in refused("emyth_owner_load", raw | {"roles": {}}, SHAPE).message


def test_what_is_not_known_changes_no_id() -> None:
    raw, said = sample("quant_signals")
    bare = {name: value for name, value in raw.items() if name != "quotes"}
    ids = {
        contracts.row_id("quant_signals", parse_input("quant_signals", each), parse_output("quant_signals", said))
        for each in (bare, bare | {"quotes": None})
    }
    assert len(ids) == 1


@every_stage
def test_the_schema_for_providers_is_strict_and_our_own_trainer_takes_it(stage: Stage) -> None:
    schema = contracts.output_schema(stage)
    assert takes_strict(schema)
    check_schema(schema)
    assert "$ref" not in json.dumps(schema)


@every_stage
def test_evidence_is_what_the_input_has(stage: Stage) -> None:
    raw_input, raw_output = sample(stage)
    value, output = parse_input(stage, raw_input), parse_output(stage, raw_output)
    entries = contracts.evidence_of(value)
    assert list(contracts.values_of(value)) == sorted(contracts.values_of(value))
    assert f"company.size={raw_input['company']['size']}" in entries
    assert not [entry for entry in entries if entry.startswith("schema_version") or ".summary=" in entry]
    assert contracts.cited(output)
    assert contracts.ungrounded(value, output) == ()
    altered = parse_output(stage, json.loads(json.dumps(raw_output).replace('evidence": ["', 'evidence": ["no.')))
    assert contracts.ungrounded(value, altered)[0] == 1


@every_stage
@quick
@given(data=st.data())
def test_only_entries_of_the_input_ground_an_answer(stage: Stage, data: st.DataObject) -> None:
    raw_input, raw_output = data.draw(rows(stage))
    value = parse_input(stage, raw_input)
    known = contracts.evidence_of(value)
    good, other = (data.draw(st.sampled_from(known)) for _ in range(2))
    wrong = data.draw(
        st.sampled_from([
            f"{good}0", f"{good.partition('=')[0]}.x=1", f"x.{good}", good.replace(".0.", ".00."),
            good.replace("=", "=="), f"schema_version={raw_input['schema_version']}", "company=1",
            f"{good.partition('=')[0]}={other}",
        ])
    )  # fmt: skip
    text = json.dumps(raw_output)
    for place in contracts.cited(parse_output(stage, raw_output))[:1]:
        for entry in (good, wrong):
            with_entry = parse_output(stage, json.loads(text.replace(json.dumps(place), json.dumps(entry))))
            expected = [number for number, each in enumerate(contracts.cited(with_entry), 1) if each not in known]
            assert list(contracts.ungrounded(value, with_entry)) == expected


def test_evidence_is_written_as_json_writes_it() -> None:
    raw, _ = sample("emyth_owner_load")
    raw["roles"] = {"sales": {"owner_hours": 3, "team_hours": 0, "documented": True, "deputy": False}}
    entries = contracts.evidence_of(parse_input("emyth_owner_load", raw))
    assert {"roles.sales.owner_hours=3", "roles.sales.documented=true", "roles.sales.deputy=false"} <= set(entries)


def test_the_synthesis_takes_what_the_four_others_answered() -> None:
    made = {row.stage: row for row in sample_rows(1, seed=3)}
    answers = {stage: made[stage].output for stage in STAGES[:-1]}
    company = made["blue_ocean"].input.company.model_dump(mode="json")
    assert contracts.synthesis_input(company, answers) == made["synthesis_decision"].input
    del answers["blue_ocean"]
    with pytest.raises(InvalidInputError, match="blue_ocean is missing"):
        contracts.synthesis_input(company, answers)


def test_texts_actions_and_the_constraint_are_found_by_name() -> None:
    named = set()
    for stage in STAGES:
        schema = json.dumps(json_schema_of(contracts.output_model(stage)))
        named |= {name for name, node in properties(json.loads(schema)) if node.get("maxLength") == 300}
        _, raw = sample(stage)
        output = parse_output(stage, raw)
        assert all(text in json.dumps(raw, ensure_ascii=False) for text in contracts.texts_of(output).values())
        assert bool(contracts.actions_of(output)) == (stage != "quant_signals")
        assert (contracts.primary_constraint_of(output) is None) == (stage != "synthesis_decision")
    assert named == TEXTS


def objects(value: Any) -> Iterator[JsonObject]:
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(part)


def properties(node: Any) -> Iterator[tuple[str, JsonObject]]:
    for each in objects(node):
        yield from (each.get("properties") or {}).items()
