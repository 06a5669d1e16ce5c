"""Rules of ``emyth_owner_load``: hours decide how heavy a role lies on the owner, what is written down what comes next.

The owner's hat (Gerber's E-Myth) is the one whose roles take most hours: the technician does the work and the office,
the manager sells, pays and leads, the entrepreneur plans.
"""

from typing import Final, Literal, get_args

from shared.pipelines.stages.contracts import values_of
from shared.pipelines.stages.contracts_inputs import OwnerLoadInput, OwnerWeek, RoleLoad
from shared.pipelines.stages.contracts_outputs import OwnerLoadOutput, RoleFinding
from shared.pipelines.stages.contracts_parts import Confidence, Role
from shared.pipelines.stages.deterministic_parts import Values, entries

Hat = Literal["technician", "manager", "entrepreneur"]
Load = Literal["light", "fair", "heavy"]
NextStep = Literal["keep", "document", "hand_over", "hire", "stop"]
OwnerLoad = Literal["light", "fair", "heavy", "too_heavy"]

HATS: Final[dict[Hat, tuple[Role, ...]]] = {
    "technician": ("delivery", "office"),
    "manager": ("sales", "finance", "people"),
    "entrepreneur": ("planning",),
}
ROLE_TITLES: Final[dict[Role, str]] = {
    "delivery": "the work at clients",
    "sales": "selling",
    "office": "the office",
    "finance": "the books",
    "people": "leading people",
    "planning": "planning",
}
_MOST_ROLES: Final = 3
_HEAVY_HOURS, _FAIR_HOURS = 15, 6
_TOO_HEAVY_WEEK, _HEAVY_WEEK, _FAIR_WEEK = 60, 50, 35
_FEW_WEEKS_OFF: Final = 2
_TEAM_CARRIES: Final = 3  # times the owner's hours
OWNER_ACTIONS: Final[dict[NextStep, str]] = {
    "keep": "Leave {role} as it is.",
    "document": "Write down how {role} is done, the next time it is done.",
    "hand_over": "Give {role} to one person of the team, decisions included.",
    "hire": "Find somebody for {role}, for half of the hours at first.",
    "stop": "Stop doing {role} yourself: the team carries it already.",
}
_SUMMARIES: Final[dict[OwnerLoad, str]] = {
    "light": "The business runs without its owner's every hour; most of them go into {role}.",
    "fair": "The owner's week is full but fair; most of it goes into {role}.",
    "heavy": "The owner carries too much, most of all {role}.",
    "too_heavy": "The business stands still without its owner; {role} must leave that desk first.",
}


def owner_load(value: OwnerLoadInput) -> OwnerLoadOutput:
    """Return the three roles that take most of the owner's hours, and the load as a whole."""
    values, known = values_of(value), roles_of(value)
    whole = week_load(value.owner)
    first = known[0][0]
    return OwnerLoadOutput(
        schema_version="emyth_owner_load_v1",
        owner_load=whole,
        main_hat=main_hat(value),
        roles=tuple(_finding(role, load, values) for role, load in known[:_MOST_ROLES]),
        evidence=week_evidence(values),
        summary=_SUMMARIES[whole].format(role=ROLE_TITLES[first]),
        confidence=certainty(value),
    )


def roles_of(value: OwnerLoadInput) -> list[tuple[Role, RoleLoad]]:
    """Return the roles that there are hours of, those first that take most of the owner's."""
    pairs: list[tuple[Role, RoleLoad | None]] = [(role, getattr(value.roles, role)) for role in get_args(Role)]
    known = [(role, load) for role, load in pairs if load is not None]
    return sorted(known, key=lambda pair: -pair[1].owner_hours)


def week_load(owner: OwnerWeek) -> OwnerLoad:
    """Return how heavy the owner's week is: from 60 hours too heavy, from 50 or with no holidays heavy."""
    if owner.hours_a_week >= _TOO_HEAVY_WEEK:
        return "too_heavy"
    if owner.hours_a_week >= _HEAVY_WEEK or owner.weeks_off_a_year < _FEW_WEEKS_OFF:
        return "heavy"
    return "fair" if owner.hours_a_week >= _FAIR_WEEK else "light"


def role_load(load: RoleLoad) -> Load:
    """Return how heavy one role is: from 15 hours a week heavy, from 6 fair."""
    return "heavy" if load.owner_hours >= _HEAVY_HOURS else "fair" if load.owner_hours >= _FAIR_HOURS else "light"


def next_step(load: RoleLoad) -> NextStep:
    """Return what comes next for a role: what is light stays; what nobody can read is written down first."""
    if role_load(load) == "light":
        return "keep"
    if not load.documented:
        return "document"
    if load.team_hours == 0:
        return "hire"
    carried = load.deputy and load.team_hours >= _TEAM_CARRIES * load.owner_hours
    return "stop" if carried else "hand_over"


def main_hat(value: OwnerLoadInput) -> Hat:
    """Return the hat whose roles take most of the owner's hours."""
    hours = {role: load.owner_hours for role, load in roles_of(value)}
    return max(HATS, key=lambda hat: sum(hours.get(role, 0) for role in HATS[hat]))


def role_evidence(role: Role, values: Values) -> tuple[str, ...]:
    """Return the entries that a finding about a role rests on."""
    return entries(values, (f"roles.{role}.{name}" for name in ("owner_hours", "team_hours", "documented", "deputy")))


def week_evidence(values: Values) -> tuple[str, ...]:
    """Return the entries that the load as a whole rests on."""
    return entries(values, ("owner.hours_a_week", "owner.weeks_off_a_year", "owner.decisions_only_owner_pct"))


def certainty(value: OwnerLoadInput) -> Confidence:
    """Return how much the hours can say: by the roles that are known."""
    known = len(roles_of(value))
    return "low" if known < 3 else "medium" if known < len(get_args(Role)) else "high"  # noqa: PLR2004  (half of six)


def _finding(role: Role, load: RoleLoad, values: Values) -> RoleFinding:
    step = next_step(load)
    return RoleFinding(
        role=role,
        load=role_load(load),
        next_step=step,
        action=OWNER_ACTIONS[step].format(role=ROLE_TITLES[role]),
        evidence=role_evidence(role, values),
    )
