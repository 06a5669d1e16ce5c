"""Rules of ``blue_ocean`` (Kim and Mauborgne's four actions), read from each factor's levels of 0 to 5.

Raise what clients care for where the field is as good or better; create it where hardly anybody offers it; eliminate
what nobody cares for; reduce what is offered beyond the field for clients who care little, or at great cost.
"""

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from shared.pipelines.stages.contracts import values_of
from shared.pipelines.stages.contracts_inputs import BlueOceanInput, FactorLevels
from shared.pipelines.stages.contracts_outputs import BlueOceanOutput, Move
from shared.pipelines.stages.contracts_parts import Confidence, Factor
from shared.pipelines.stages.deterministic_parts import Values, entries

Kind = Literal["eliminate", "reduce", "raise", "create"]

TOP: Final = 5
_MOST: Final = 3
_CARES, _LITTLE, _NOTHING = 4, 2, 1
FACTOR_TITLES: Final[dict[Factor, str]] = {
    "price": "a low price",
    "speed": "a quick start",
    "reliability": "keeping promised days",
    "range": "a wide range",
    "specialisation": "special skill",
    "communication": "telling clients what happens",
    "guarantee": "a written guarantee",
    "convenience": "ease for the client",
    "after_care": "care after the job",
    "reputation": "being known",
}
_ACTIONS: Final[dict[Kind, str]] = {
    "eliminate": "Stop offering {factor}: nobody asks for it.",
    "reduce": "Offer less of {factor} and keep what it cost.",
    "raise": "Offer more of {factor} than the field does.",
    "create": "Begin to offer {factor}, which hardly anybody does.",
}
_TAGLINES: Final[dict[Kind, str]] = {
    "eliminate": "Everything that clients need, without {factor}.",
    "reduce": "Plain work at its true worth, without too much of {factor}.",
    "raise": "The firm that is known for {factor}.",
    "create": "The first firm here with {factor}.",
}
_TRIALS: Final[dict[Kind, str]] = {
    "eliminate": "Leave out {factor} for the next ten clients and count who misses it.",
    "reduce": "Offer less of {factor} to the next ten clients and count who asks.",
    "raise": "Promise {factor} to the next ten clients and count who buys because of it.",
    "create": "Offer {factor} to ten clients of last year and count who says yes.",
}


class Found(NamedTuple):
    """A move that the levels call for, and how much it promises."""

    weight: int
    factor: Factor
    kind: Kind
    to_level: int


def blue_ocean(value: BlueOceanInput) -> BlueOceanOutput:
    """Return the three moves that promise most, and a trial of the first."""
    values = values_of(value)
    found = moves(value)[:_MOST]
    title, kind = FACTOR_TITLES[found[0].factor], found[0].kind
    return BlueOceanOutput(
        schema_version="blue_ocean_v1",
        moves=tuple(_move(each, values) for each in found),
        tagline=_TAGLINES[kind].format(factor=title),
        trial=_TRIALS[kind].format(factor=title),
        summary=f"The move that promises most is about {title}.",
        confidence=certainty(value),
    )


def moves(value: BlueOceanInput) -> list[Found]:
    """Return the moves that the levels call for, those that promise most first; one at least."""
    found = sorted(_moves(value), key=lambda each: (-each.weight, each.factor))
    return found or [_least(value)]


def _moves(value: BlueOceanInput) -> Iterator[Found]:
    for factor, levels in value.factors.items():
        move = _kind(levels)
        if move:
            yield Found(_weight(move, levels), factor, move, _target(move, levels))


def _kind(levels: FactorLevels) -> Kind | None:
    """Return the move that a factor calls for, if any; where clients' wishes are unknown the field decides."""
    own, field = levels.own, levels.field
    value = levels.value if levels.value is not None else field
    if value >= _CARES and max(own, field) <= _NOTHING:
        return "create"
    if value >= _CARES and own <= field and own < TOP:
        return "raise"
    if value <= _NOTHING and own > _NOTHING:
        return "eliminate"
    if own > 1 and ((value <= _LITTLE and own > field) or (value < _CARES <= (levels.cost or 0))):
        return "reduce"
    return None


def _target(move: Kind, levels: FactorLevels) -> int:
    if move in {"eliminate", "reduce"}:
        return 0 if move == "eliminate" else max(1, min(levels.field, levels.own - 1))
    return 4 if move == "create" else min(TOP, levels.field + 1)


def _weight(move: Kind, levels: FactorLevels) -> int:
    """Return what a move promises: what clients gain by it, or what it saves."""
    if move in {"create", "raise"}:
        value = levels.value if levels.value is not None else levels.field
        return 2 * value + levels.field - levels.own + 3 * (move == "create")
    return levels.own + (levels.cost or 0) - (levels.value or 0)


def _least(value: BlueOceanInput) -> Found:
    """Return the smallest move there is, for a curve that calls for none: a little more of what is lowest."""
    factor = min(value.factors, key=lambda name: (value.factors[name].own, name))
    return Found(0, factor, "raise", min(TOP, value.factors[factor].own + 1))


def factor_evidence(factor: Factor, values: Values) -> tuple[str, ...]:
    """Return the entries that a move rests on."""
    return entries(values, (f"factors.{factor}.{name}" for name in ("own", "field", "value", "cost")))


def certainty(value: BlueOceanInput) -> Confidence:
    """Return how much is known: by the factors of which it is known what clients think."""
    told = sum(levels.value is not None for levels in value.factors.values())
    return "low" if told < 3 else "high" if told == len(value.factors) and value.non_clients else "medium"  # noqa: PLR2004


def _move(found: Found, values: Values) -> Move:
    return Move(
        factor=found.factor,
        move=found.kind,
        to_level=found.to_level,
        action=_ACTIONS[found.kind].format(factor=FACTOR_TITLES[found.factor]),
        evidence=factor_evidence(found.factor, values),
    )
