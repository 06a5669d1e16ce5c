"""The deterministic implementations: valid and grounded whatever comes in, and what a person would expect by hand."""

import re

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared.contracts import JsonObject
from shared.pipelines.stages import contracts
from shared.pipelines.stages.contracts import STAGES, Stage, as_json, parse_input
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.policy import policy
from shared.pipelines.stages.versions import INPUT_VERSIONS
from tests.shared.pipelines.stages.strategies import inputs

COMPANY = {"size": "2-5", "revenue": "100k-500k", "season": "usual", "age": "6-15"}
MONEY = {
    "revenue_change_pct": 5, "margin_pct": 25, "cash_weeks": 20, "largest_client_pct": 10, "repeat_pct": 60,
}  # fmt: skip


def said(stage: Stage, **parts: object) -> JsonObject:
    raw = {"schema_version": INPUT_VERSIONS[stage], "company": COMPANY, **parts}
    return as_json(deterministic(parse_input(stage, raw)))


@pytest.mark.parametrize("stage", STAGES)
@settings(
    max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def test_answers_keep_the_contract_whatever_comes_in(stage: Stage, data: st.DataObject) -> None:
    value = data.draw(inputs(stage))
    output = deterministic(value)
    assert contracts.parse_output(stage, as_json(output)) == output
    assert contracts.ungrounded(value, output) == ()
    assert deterministic(value) == output
    words = re.findall(r"\w+", " ".join(contracts.texts_of(output).values()).lower())
    assert not set(words) & set(policy().forbidden.terms)


@pytest.mark.parametrize(
    ("weeks", "state"), [(1, "bad"), (4, "bad"), (5, "watch"), (8, "watch"), (9, "good"), (500, "good")]
)
def test_cash_is_bad_up_to_four_weeks(weeks: int, state: str) -> None:
    output = said("quant_signals", months=6, money=MONEY | {"cash_weeks": weeks})
    assert output["signals"][0]["state"] == state
    assert output["signals"][0]["name"] == ("cash_runway" if weeks < 100 else "client_concentration")
    assert output["gaps"] == ["quotes", "invoices", "jobs", "capacity"]
    assert output["confidence"] == "low"


def role(hours: int, team: int = 0, *, documented: bool = False, deputy: bool = False) -> JsonObject:
    return {"owner_hours": hours, "team_hours": team, "documented": documented, "deputy": deputy}


@pytest.mark.parametrize(
    ("load", "step"),
    [
        (role(5), "keep"),
        (role(6), "document"),
        (role(20, documented=True), "hire"),
        (role(20, 10, documented=True), "hand_over"),
        (role(20, 60, documented=True, deputy=True), "stop"),
    ],
)
def test_what_nobody_can_read_is_written_down_before_it_is_handed_over(load: JsonObject, step: str) -> None:
    week = {"hours_a_week": 60, "weeks_off_a_year": 4}
    output = said("emyth_owner_load", owner=week, roles={"planning": load, "office": role(1)})
    assert output["roles"][0]["next_step"] == step
    assert output["owner_load"] == "too_heavy"
    assert output["main_hat"] == "entrepreneur"


def test_a_competitor_is_as_dangerous_as_its_edges() -> None:
    own = {"price": "usual", "days_to_start": 10, "rating_tenths": 45, "reviews": 10, "guarantee": False}
    rivals = {
        "a": {"price": "usual", "days_to_start": 9, "rating_tenths": 47, "reviews": 29, "guarantee": False},
        "b": {"price": "lower", "days_to_start": 8, "rating_tenths": 48, "reviews": 5},
    }
    market = {"demand": "flat", "price_sensitivity": "low", "entry": "easy"}
    output = said("competitive_lens", market=market, own=own, rivals=rivals)
    assert [(each["rival"], each["threat"], each["edge"]) for each in output["rivals"]] == [
        ("b", "high", "speed"),
        ("a", "low", "none"),
    ]
    assert output["opening"] == "guarantee"
    nobody = said("competitive_lens", market=market, own=own, rivals={})
    assert (nobody["position"], nobody["opening"], nobody["confidence"]) == ("unknown", "none", "low")
    dear = said("competitive_lens", market=market | {"price_sensitivity": "high"}, own=own, rivals=rivals)
    assert dear["rivals"][0]["edge"] == "price"


def test_moves_follow_what_clients_care_for() -> None:
    factors = {
        "price": {"own": 3, "field": 3, "value": 2, "cost": 1},
        "range": {"own": 4, "field": 4, "value": 0, "cost": 4},
        "speed": {"own": 2, "field": 4, "value": 5},
        "after_care": {"own": 0, "field": 0, "value": 4},
    }
    moves = said("blue_ocean", factors=factors)["moves"]
    assert {move["factor"]: (move["move"], move["to_level"]) for move in moves} == {
        "speed": ("raise", 5),
        "after_care": ("create", 4),
        "range": ("eliminate", 0),
    }


def test_the_synthesis_names_what_most_findings_speak_for() -> None:
    figures = said(
        "quant_signals", months=6, money=MONEY | {"cash_weeks": 2},
        invoices={"sent": 40, "days_to_paid": 60, "overdue_pct": 50, "overdue_over_60_days": 9},
    )  # fmt: skip
    week = {"hours_a_week": 45, "weeks_off_a_year": 4}
    four = {
        "quant_signals": figures,
        "emyth_owner_load": said("emyth_owner_load", owner=week, roles={"sales": role(16)}),
        "competitive_lens": said(
            "competitive_lens", market={"demand": "flat", "price_sensitivity": "low", "entry": "easy"},
            own={"price": "usual"}, rivals={},
        ),
        "blue_ocean": said(
            "blue_ocean", factors={name: {"own": 3, "field": 1} for name in ("price", "speed", "range")}
        ),
    }  # fmt: skip
    output = said("synthesis_decision", **four)
    assert output["primary_constraint"]["kind"] == "cash"
    assert output["confidence"] == "high"
    assert "quant_signals.signals.0.name=cash_runway" in output["primary_constraint"]["evidence"]
    assert output["actions"][-1]["action"] == "Write down how selling is done, the next time it is done."
    calm = four | {"quant_signals": said("quant_signals", months=6, money=MONEY)}
    assert said("synthesis_decision", **calm)["primary_constraint"]["kind"] == "unclear"
