"""Made-up businesses: an industry, a size, a season, one trouble that shows in the figures, and gaps in the data.

Nothing in them is anybody's: there are only bands, figures and letters. The same seed makes up the same businesses.
"""

import random
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, get_args

from shared.contracts import JsonObject
from shared.ids import content_id
from shared.pipelines.stages.contracts import StageInput, parse_input
from shared.pipelines.stages.contracts_outputs import Constraint
from shared.pipelines.stages.contracts_parts import Age, Area, Factor, Revenue, Rival, Role, Season, Size
from shared.pipelines.stages.versions import ANALYSES, INPUT_VERSIONS, Stage


class IndustryProfile(NamedTuple):
    """What is usual in an industry. ``weight``: how common it is among small firms."""

    name: str
    weight: int
    margin_pct: int
    repeat_pct: int
    jobs_a_month: int


INDUSTRIES: Final = (
    IndustryProfile("plumbing", 9, 22, 45, 30),
    IndustryProfile("electrical", 9, 24, 42, 28),
    IndustryProfile("landscaping", 7, 20, 55, 24),
    IndustryProfile("roofing", 5, 25, 20, 8),
    IndustryProfile("cleaning", 8, 18, 80, 60),
    IndustryProfile("painting", 6, 23, 35, 14),
    IndustryProfile("auto-repair", 7, 21, 65, 70),
    IndustryProfile("pest-control", 3, 30, 60, 45),
    IndustryProfile("hair-salon", 8, 19, 85, 200),
    IndustryProfile("bakery", 4, 14, 75, 240),
    IndustryProfile("photography", 3, 35, 30, 12),
    IndustryProfile("accounting", 5, 38, 90, 40),
    IndustryProfile("web-agency", 4, 30, 50, 6),
    IndustryProfile("physiotherapy", 4, 28, 70, 120),
)
TROUBLES: Final = tuple(kind for kind in get_args(Constraint) if kind != "unclear")
"""Every eighth business has none."""
_GAP: Final = 0.08
_KNOWN: Final = 0.85
_GRADES: Final = 5


class Business(NamedTuple):
    """One made-up business. ``trouble`` is None for one that has none."""

    key: str
    industry: str
    trouble: Constraint | None
    inputs: dict[Stage, StageInput]
    """Of the stages that look at the business itself."""

    @property
    def company(self) -> JsonObject:
        """What every stage is told of it."""
        return self.inputs["quant_signals"].company.model_dump(mode="json")


def businesses(count: int, *, seed: int) -> Iterator[Business]:
    """Yield made-up businesses: of all industries in turn, and with all troubles in turn."""
    rng = random.Random(f"stages:{seed}")  # noqa: S311  (sample data, no secret)
    industries, troubles = _in_turn(rng, INDUSTRIES), _in_turn(rng, (*TROUBLES, None))
    for number, profile, trouble in zip(range(count), industries, troubles, strict=False):
        yield _business(random.Random(f"stages:{seed}:{number}"), f"{seed}:{number}", profile, trouble)  # noqa: S311


def _in_turn(rng: random.Random, kinds: tuple[Any, ...]) -> Iterator[Any]:
    """Yield each kind once, in some order, before any comes again."""
    while True:
        yield from rng.sample(kinds, len(kinds))


def _business(rng: random.Random, name: str, profile: IndustryProfile, trouble: Constraint | None) -> Business:
    company = {
        "size": rng.choice(get_args(Size)[:4]),
        "revenue": rng.choice(get_args(Revenue)[:4]),
        "season": rng.choice(get_args(Season)),
        "age": rng.choice(get_args(Age)),
    }
    raw: dict[Stage, JsonObject] = {
        "quant_signals": _figures(rng, profile, trouble, company["season"]),
        "emyth_owner_load": _owner(rng, trouble, company["size"]),
        "competitive_lens": _market(rng, trouble),
        "blue_ocean": _curve(rng, trouble),
    }
    inputs = {
        stage: parse_input(stage, {"schema_version": INPUT_VERSIONS[stage], "company": company, **raw[stage]})
        for stage in ANALYSES
    }
    return Business(content_id("biz", name), profile.name, trouble, inputs)


# --- figures --------------------------------------------------------------------------------------------------------


def _figures(rng: random.Random, profile: IndustryProfile, trouble: Constraint | None, season: str) -> JsonObject:
    months = rng.choice((3, 6, 12))
    busy = {"peak": 1.3, "usual": 1.0, "quiet": 0.7}[season]
    jobs = max(2, round(profile.jobs_a_month * months * busy * rng.uniform(0.7, 1.3)))
    areas = _healthy(rng, profile, jobs)
    for area, name, low, high in _SIGNS.get(trouble, ()) if trouble else ():
        areas[area][name] = rng.randint(low, high)
    if trouble == "delivery":
        areas["jobs"]["late"] = round(jobs * rng.uniform(0.3, 0.5))
        areas["jobs"]["reworked"] = round(jobs * rng.uniform(0.05, 0.15))
    if trouble == "demand":
        areas["quotes"]["waiting_over_14_days"] = round(areas["quotes"]["sent"] * rng.uniform(0.3, 0.6))
    telling: set[str] = {sign[0] for sign in _SIGNS.get(trouble, ())} | {"jobs"} if trouble else {"jobs"}
    known: JsonObject = {area: found for area, found in areas.items() if area in telling or rng.random() > _GAP}
    return {"months": months, **known}


_SIGNS: Final[dict[Constraint, tuple[tuple[Area, str, int, int], ...]]] = {
    "cash": (("money", "cash_weeks", 1, 4), ("invoices", "overdue_pct", 42, 75), ("invoices", "days_to_paid", 40, 80)),
    "demand": (
        ("quotes", "won_pct", 10, 24), ("jobs", "weeks_booked_ahead", 0, 2), ("money", "revenue_change_pct", -30, -5),
    ),
    "margin": (("money", "margin_pct", -8, 4),),
    "capacity": (("capacity", "utilisation_pct", 97, 120), ("capacity", "overtime_hours_a_week", 12, 30),
                 ("capacity", "open_positions", 1, 4)),
}  # fmt: skip


def _healthy(rng: random.Random, profile: IndustryProfile, jobs: int) -> dict[str, dict[str, int]]:
    quotes = max(3, round(jobs * rng.uniform(1.4, 2.2)))
    return {
        "quotes": {
            "sent": quotes,
            "won_pct": rng.randint(38, 65),
            "days_to_answer": rng.randint(2, 9),
            "waiting_over_14_days": round(quotes * rng.uniform(0.0, 0.15)),
        },
        "invoices": {
            "sent": max(1, round(jobs * rng.uniform(0.8, 1.1))),
            "days_to_paid": rng.randint(7, 24),
            "overdue_pct": rng.randint(0, 18),
            "overdue_over_60_days": rng.randint(0, 3),
        },
        "jobs": {
            "finished": jobs,
            "late": round(jobs * rng.uniform(0.0, 0.1)),
            "reworked": round(jobs * rng.uniform(0.0, 0.04)),
            "weeks_booked_ahead": rng.randint(4, 10),
        },
        "money": {
            "revenue_change_pct": rng.randint(-4, 20),
            "margin_pct": max(13, profile.margin_pct + rng.randint(-4, 6)),
            "cash_weeks": rng.randint(9, 30),
            "largest_client_pct": rng.randint(3, 24),
            "repeat_pct": min(100, max(26, profile.repeat_pct + rng.randint(-10, 10))),
        },
        "capacity": {
            "utilisation_pct": rng.randint(62, 80),
            "overtime_hours_a_week": rng.randint(0, 5),
            "open_positions": 0,
        },
    }


# --- the owner, the market, the curve -------------------------------------------------------------------------------


def _owner(rng: random.Random, trouble: Constraint | None, size: str) -> JsonObject:
    burdened = trouble == "owner_time"
    others = {"solo": 0, "2-5": 3, "6-15": 9, "16-50": 28}[size]
    heaviest: Role = rng.choice(get_args(Role))
    roles = {}
    for role in get_args(Role):
        hours = rng.randint(18, 30) if role == heaviest else rng.randint(1, 8) + (4 if burdened else 0)
        team = round(others * rng.uniform(0, 12))
        free = not burdened
        roles[role] = {
            "owner_hours": hours,
            "team_hours": team,
            "documented": free and rng.random() < 0.6,  # noqa: PLR2004
            "deputy": free and team > 0 and rng.random() < 0.5,  # noqa: PLR2004
        }
    known = {role: load for role, load in roles.items() if role == heaviest or rng.random() < _KNOWN}
    week = {
        "hours_a_week": rng.randint(62, 80) if burdened else rng.randint(36, 54),
        "weeks_off_a_year": rng.randint(0, 1) if burdened else rng.randint(3, 6),
    }
    asked = {
        "interruptions_a_day": rng.randint(20, 60) if burdened else rng.randint(3, 18),
        "decisions_only_owner_pct": rng.randint(75, 100) if burdened else rng.randint(20, 60),
    }
    return {"owner": week | (asked if rng.random() < _KNOWN else {}), "roles": known}


def _market(rng: random.Random, trouble: Constraint | None) -> JsonObject:
    behind = trouble == "market_position"
    own: JsonObject = {
        "price": rng.choice(("lower", "usual", "higher")),
        "days_to_start": rng.randint(2, 14),
        "rating_tenths": rng.randint(42, 50),
        "reviews": rng.randint(15, 150),
        "guarantee": rng.random() < 0.5,  # noqa: PLR2004
        "focus": rng.choice(("general", "focused", "niche")),
    }
    weak: JsonObject = {
        "price": "higher",
        "days_to_start": rng.randint(14, 25),
        "rating_tenths": rng.randint(36, 40),
        "guarantee": False,
        "focus": "general",
    }
    if behind:
        own |= {name: weak[name] for name in rng.sample(list(weak), 4)}
    letters: list[Rival] = list(get_args(Rival)[: rng.randint(2, 5)])
    return {
        "market": {
            "demand": rng.choice(("falling", "flat", "rising")),
            "price_sensitivity": rng.choice(("low", "medium", "high")),
            "entry": rng.choice(("easy", "usual", "hard")),
        },
        "own": own,
        "rivals": {letter: _rival(rng, behind=behind) for letter in letters},
    }


def _rival(rng: random.Random, *, behind: bool) -> JsonObject:
    profile: JsonObject = {
        "days_to_start": rng.randint(2, 9) if behind else rng.randint(4, 20),
        "rating_tenths": rng.randint(43, 49) if behind else rng.randint(36, 48),
        "reviews": rng.randint(10, 120),
        "guarantee": rng.random() < (0.8 if behind else 0.3),
        "focus": rng.choice(("focused", "niche") if behind else ("general", "focused", "niche")),
    }
    known = {name: found for name, found in profile.items() if rng.random() < _KNOWN}
    return {"price": rng.choice(("lower", "usual", "usual" if behind else "higher")), **known}


def _curve(rng: random.Random, trouble: Constraint | None) -> JsonObject:
    factors: list[Factor] = rng.sample(get_args(Factor), rng.randint(5, 8))
    levels = {}
    for factor in factors:
        found = {"own": rng.randint(0, _GRADES), "field": rng.randint(0, _GRADES)}
        if trouble == "market_position":
            found["own"] = min(found["own"], found["field"])
        asked = {"value": rng.randint(0, _GRADES), "cost": rng.randint(0, _GRADES)}
        levels[factor] = found | {name: grade for name, grade in asked.items() if rng.random() < _KNOWN}
    told = {"too_expensive_pct": rng.randint(10, 60), "do_it_themselves_pct": rng.randint(5, 30)}
    non_clients = told | {"never_heard_pct": rng.randint(0, 100 - sum(told.values()))}
    return {"factors": levels} | ({"non_clients": non_clients} if rng.random() < _KNOWN else {})
