"""Packs and rows for tests, made of a few figures: the answers are those of the rules, so that they keep every rule."""

import json
from collections.abc import Iterable

from shared.contracts import JsonObject
from shared.pipelines.stages.contracts import as_json, canonical, parse_any_input, synthesis_input
from shared.pipelines.stages.contracts_inputs import StageInput
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.packs import Pack
from shared.pipelines.stages.versions import ANALYSES, INPUT_VERSIONS, STAGES, Stage

INDUSTRIES = ("plumbing", "roofing", "bakery", "dental", "auto-repair", "law", "cleaning", "landscaping")


def pack(number: int, industry: str | None = None) -> Pack:
    """Return the pack of a business; each number is another one."""
    company = {"size": "2-5", "revenue": "500k-2m", "season": ("peak", "usual", "quiet")[number % 3], "age": "6-15"}
    role = {"owner_hours": 10 + number % 40, "team_hours": number, "documented": False, "deputy": number % 2 == 0}
    factors = ("price", "speed", "reliability", "range")
    inputs: dict[Stage, JsonObject] = {
        "quant_signals": {
            "months": 1 + number % 24,
            "invoices": {
                "sent": 20 + number, "days_to_paid": 14 + number % 60, "overdue_pct": number % 100,
                "overdue_over_60_days": number % 9,
            },
        },
        "emyth_owner_load": {
            "owner": {"hours_a_week": 45 + number % 30, "weeks_off_a_year": number % 5},
            "roles": {"delivery": role, "sales": {**role, "owner_hours": 5}},
        },
        "competitive_lens": {
            "market": {"demand": "flat", "price_sensitivity": "medium", "entry": "easy"},
            "own": {"price": "usual", "days_to_start": 1 + number % 90},
            "rivals": {"a": {"price": "lower", "rating_tenths": 41}, "b": {"price": "higher", "reviews": number}},
        },
        "blue_ocean": {
            "factors": {
                name: {"own": (number + place) % 6, "field": 3, "value": place, "cost": 2}
                for place, name in enumerate(factors)
            },
            "non_clients": {
                "too_expensive_pct": number % 100, "do_it_themselves_pct": number // 100 % 100, "never_heard_pct": 5,
            },
        },
    }  # fmt: skip
    versioned = {
        stage: {"schema_version": INPUT_VERSIONS[stage], "company": company, **inputs[stage]} for stage in ANALYSES
    }
    return Pack(business=f"biz-{number}", industry=industry or INDUSTRIES[number % len(INDUSTRIES)], inputs=versioned)


def values_of(one: Pack) -> dict[Stage, StageInput]:
    """Return the inputs of all five stages, the last of what the rules answer to the others."""
    values = {stage: one.value(stage) for stage in ANALYSES}
    said = {stage: deterministic(value) for stage, value in values.items()}
    return {**values, "synthesis_decision": synthesis_input(one.company, said)}


def row(number: int, stage: Stage, **changes: object) -> JsonObject:
    """Return a row as a file has it, with the rules' answer."""
    one = pack(number)
    value = values_of(one)[stage]
    fields: JsonObject = {
        "stage": stage, "industry": one.industry, "business": one.business,
        "input": as_json(value), "output": as_json(deterministic(value)), "approved": True, "note": "It is right.",
    }  # fmt: skip
    return {name: content for name, content in (fields | changes).items() if content is not None}


def rows(numbers: Iterable[int], stages: Iterable[Stage] = STAGES) -> list[JsonObject]:
    """Return rows of some businesses."""
    wanted = tuple(stages)
    return [row(number, stage) for number in numbers for stage in wanted]


def lines(objects: Iterable[JsonObject]) -> bytes:
    """Return a file of JSON lines."""
    return "".join(json.dumps(each) + "\n" for each in objects).encode()


def input_of(body: JsonObject) -> StageInput:
    """Return the input that a request to a model asks about."""
    return parse_any_input(json.loads(body["messages"][1]["content"]))


def answer(value: StageInput) -> str:
    """Return what a model says that answers as the rules do."""
    return canonical(deterministic(value))
