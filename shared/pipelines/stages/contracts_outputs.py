"""What each stage answers. Every field is always there, so that a provider can be held to the strict schema.

What a statement rests on stands beside it as ``evidence``: entries ``<path>=<value>`` of the stage's own input.
"""

from collections.abc import Hashable, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from shared.contracts import Contract
from shared.pipelines.stages.contracts_parts import (
    Area,
    Confidence,
    Evidence,
    Factor,
    Grade,
    Level3,
    Rival,
    Role,
    Sentence,
)


def _once(values: Sequence[Hashable], what: str) -> None:
    if len(set(values)) < len(values):
        raise ValueError(f"names the same {what} twice")


# --- quant_signals --------------------------------------------------------------------------------------------------

SignalName = Literal[
    "cash_runway", "late_payment", "margin", "win_rate", "quote_follow_up", "backlog", "late_work", "rework",
    "capacity", "growth", "client_concentration", "repeat_business",
]  # fmt: skip


class Signal(Contract):
    """Something that the figures say."""

    name: SignalName
    state: Literal["good", "watch", "bad"]
    meaning: Sentence = Field(description="What it means for the owner.")
    evidence: Evidence


def _signals_once(signals: tuple[Signal, ...]) -> tuple[Signal, ...]:
    _once([signal.name for signal in signals], "signal")
    return signals


def _areas_once(areas: tuple[Area, ...]) -> tuple[Area, ...]:
    _once(areas, "area")
    return areas


class QuantSignalsOutput(Contract):
    """The signals in the figures, the most pressing first, and the areas that there are no figures of."""

    schema_version: Literal["quant_signals_v1"]
    signals: Annotated[tuple[Signal, ...], Field(min_length=1, max_length=6), AfterValidator(_signals_once)]
    gaps: Annotated[tuple[Area, ...], Field(max_length=5), AfterValidator(_areas_once)]
    summary: Sentence
    confidence: Confidence


# --- emyth_owner_load -----------------------------------------------------------------------------------------------


class RoleFinding(Contract):
    """One role: how heavy it lies on the owner, and what to do about it next."""

    role: Role
    load: Literal["light", "fair", "heavy"]
    next_step: Literal["keep", "document", "hand_over", "hire", "stop"]
    action: Sentence = Field(description="The next step in words.")
    evidence: Evidence


def _roles_once(roles: tuple[RoleFinding, ...]) -> tuple[RoleFinding, ...]:
    _once([finding.role for finding in roles], "role")
    return roles


class OwnerLoadOutput(Contract):
    """The owner's load by role, the heaviest first, and which of the three hats the owner wears most."""

    schema_version: Literal["emyth_owner_load_v1"]
    owner_load: Literal["light", "fair", "heavy", "too_heavy"]
    main_hat: Literal["technician", "manager", "entrepreneur"]
    roles: Annotated[tuple[RoleFinding, ...], Field(min_length=1, max_length=6), AfterValidator(_roles_once)]
    evidence: Evidence = Field(description="What the owner's load as a whole rests on.")
    summary: Sentence
    confidence: Confidence


# --- competitive_lens -----------------------------------------------------------------------------------------------


class RivalFinding(Contract):
    """One competitor: how dangerous, by what, and the answer to it."""

    rival: Rival
    threat: Level3
    edge: Literal["price", "speed", "reputation", "guarantee", "focus", "none"]
    action: Sentence = Field(description="The answer to this competitor.")
    evidence: Evidence


def _rivals_once(rivals: tuple[RivalFinding, ...]) -> tuple[RivalFinding, ...]:
    _once([finding.rival for finding in rivals], "competitor")
    return rivals


class CompetitiveLensOutput(Contract):
    """Where the business stands among its competitors, the most dangerous one first."""

    schema_version: Literal["competitive_lens_v1"]
    position: Literal["cheapest", "fastest", "best_rated", "specialist", "in_the_middle", "behind", "unknown"]
    rivals: Annotated[tuple[RivalFinding, ...], Field(max_length=8), AfterValidator(_rivals_once)]
    opening: Literal["price", "speed", "reputation", "guarantee", "focus", "none"] = Field(
        description="What no competitor does well."
    )
    evidence: Evidence = Field(description="What position and opening rest on.")
    summary: Sentence
    confidence: Confidence


# --- blue_ocean -----------------------------------------------------------------------------------------------------


class Move(Contract):
    """One move on the value curve."""

    factor: Factor
    move: Literal["eliminate", "reduce", "raise", "create"]
    to_level: Grade
    action: Sentence = Field(description="The move in words.")
    evidence: Evidence


def _moves_once(moves: tuple[Move, ...]) -> tuple[Move, ...]:
    _once([move.factor for move in moves], "factor")
    return moves


class BlueOceanOutput(Contract):
    """Moves that part the business from its field, the first one to try first."""

    schema_version: Literal["blue_ocean_v1"]
    moves: Annotated[tuple[Move, ...], Field(min_length=1, max_length=6), AfterValidator(_moves_once)]
    tagline: Sentence = Field(description="What the new curve promises to a client.")
    trial: Sentence = Field(description="A small trial that would show whether it works.")
    summary: Sentence
    confidence: Confidence


# --- synthesis_decision ---------------------------------------------------------------------------------------------

Constraint = Literal["cash", "demand", "margin", "capacity", "delivery", "owner_time", "market_position", "unclear"]


class PrimaryConstraint(Contract):
    """The one thing that holds the business back most."""

    kind: Constraint
    statement: Sentence
    evidence: Evidence


class Action(Contract):
    """Something to do: by whom, until when, and how one sees that it is done."""

    action: Sentence
    who: Literal["owner", "office", "crew", "sales", "bookkeeper"]
    due_days: Annotated[int, Field(strict=True, ge=1, le=90)]
    done_when: Sentence
    evidence: Evidence


def _actions_once(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    _once([" ".join(action.action.casefold().split()) for action in actions], "action")
    return actions


class SynthesisOutput(Contract):
    """One primary constraint, the actions that follow from it in their order, and what must wait."""

    schema_version: Literal["synthesis_decision_v1"]
    primary_constraint: PrimaryConstraint
    actions: Annotated[tuple[Action, ...], Field(min_length=1, max_length=5), AfterValidator(_actions_once)]
    boundary: Sentence = Field(description="The line that must not be crossed while doing so.")
    not_now: Sentence = Field(description="What to leave alone until the constraint has moved.")
    confidence: Confidence


StageOutput = QuantSignalsOutput | OwnerLoadOutput | CompetitiveLensOutput | BlueOceanOutput | SynthesisOutput
