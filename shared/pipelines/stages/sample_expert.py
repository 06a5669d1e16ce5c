"""Plays the person who writes good answers, for a demo and for tests: another judgement, and now and then a slip.

Where the rules of ``deterministic`` name all that they find, this person names the two things that stand out most, in
other words. Contracts and grounding are kept, as an approved row must.
"""

import random
from typing import Final

from shared.pipelines.stages import deterministic_curve as curve
from shared.pipelines.stages import deterministic_market as market
from shared.pipelines.stages import deterministic_owner as owner
from shared.pipelines.stages import deterministic_signals as signals
from shared.pipelines.stages import deterministic_synthesis as rules
from shared.pipelines.stages.contracts import canonical, values_of
from shared.pipelines.stages.contracts_inputs import (
    BlueOceanInput,
    CompetitiveLensInput,
    OwnerLoadInput,
    QuantSignalsInput,
    StageInput,
    SynthesisInput,
)
from shared.pipelines.stages.contracts_outputs import (
    Action,
    BlueOceanOutput,
    CompetitiveLensOutput,
    Move,
    OwnerLoadOutput,
    PrimaryConstraint,
    QuantSignalsOutput,
    RivalFinding,
    RoleFinding,
    Signal,
    StageOutput,
    SynthesisOutput,
)
from shared.pipelines.stages.deterministic_parts import Values, entries
from shared.pipelines.stages.deterministic_synthesis_words import Task
from shared.pipelines.stages.sample_words import (
    EDGES,
    HARMLESS,
    JUDGEMENTS,
    MOVES,
    OWNER,
    POSITIONS,
    PRESSING_EDGES,
    SIGNALS,
    STEPS,
)

_SLIP: Final = 0.03
_TWO: Final = 2
_SURE: Final = 2.0
_ANSWERS: Final = {"low": EDGES, "medium": PRESSING_EDGES, "high": PRESSING_EDGES}


def expert(value: StageInput, *, seed: int = 42) -> StageOutput:
    """Return what this person concludes. The same input and seed give the same answer."""
    slips = random.Random(f"{seed}:{canonical(value)}").random() < _SLIP  # noqa: S311  (sample data, no secret)
    match value:
        case QuantSignalsInput():
            return _signals(value, slips=slips)
        case OwnerLoadInput():
            return _owner(value)
        case CompetitiveLensInput():
            return _market(value)
        case BlueOceanInput():
            return _curve(value)
        case _:
            return _synthesis(value, slips=slips)


def _signals(value: QuantSignalsInput, *, slips: bool) -> QuantSignalsOutput:
    values = values_of(value)
    found = signals.strengths(values)
    bad = [pair for pair in found if pair[0] >= signals.BAD][:_TWO] or found[:1]
    if slips:
        bad.reverse()
    said = tuple(
        Signal(
            name=reading.name,
            state="bad" if strength >= signals.BAD else "watch" if strength >= signals.WATCH else "good",
            meaning=SIGNALS[reading.name] if strength >= signals.WATCH else reading.good,
            evidence=entries(values, reading.paths[:1]),
        )
        for strength, reading in bad
    )
    return QuantSignalsOutput(
        schema_version="quant_signals_v1",
        signals=said,
        gaps=signals.gaps_of(value),
        summary=f"Look at {signals.TITLES[said[0].name]} first.",
        confidence=signals.certainty(value),
    )


def _owner(value: OwnerLoadInput) -> OwnerLoadOutput:
    values, load = values_of(value), owner.week_load(value.owner)
    known = owner.roles_of(value)
    most = known[: _TWO if load == "too_heavy" else 1]
    return OwnerLoadOutput(
        schema_version="emyth_owner_load_v1",
        owner_load=load,
        main_hat=owner.main_hat(value),
        roles=tuple(
            RoleFinding(
                role=role,
                load=owner.role_load(found),
                next_step=owner.next_step(found),
                action=STEPS[owner.next_step(found)].format(role=owner.ROLE_TITLES[role]),
                evidence=owner.role_evidence(role, values),
            )
            for role, found in most
        ),
        evidence=owner.week_evidence(values)[:_TWO],
        summary=OWNER[load],
        confidence="high" if load == "too_heavy" else "medium",
    )


def _market(value: CompetitiveLensInput) -> CompetitiveLensOutput:
    values, place, gap = values_of(value), market.position(value), market.opening(value)
    said = []
    for rival in sorted(value.rivals)[:1]:  # the one that the owner meets most
        edge, danger = market.main_edge(value, rival), market.threat(value, rival)
        said.append(
            RivalFinding(
                rival=rival,
                threat=danger,
                edge=edge,
                action=HARMLESS[value.own.focus] if edge == "none" else _ANSWERS[danger][edge],
                evidence=market.rival_evidence(rival, edge, values)[:_TWO],
            )
        )
    return CompetitiveLensOutput(
        schema_version="competitive_lens_v1",
        position=place,
        rivals=tuple(said),
        opening=gap,
        evidence=market.market_evidence(values, gap)[:_TWO],
        summary=POSITIONS[place],
        confidence=market.certainty(value),
    )


def _curve(value: BlueOceanInput) -> BlueOceanOutput:
    values, found = values_of(value), curve.moves(value)[0]
    title = curve.FACTOR_TITLES[found.factor]
    return BlueOceanOutput(
        schema_version="blue_ocean_v1",
        moves=(
            Move(
                factor=found.factor,
                move=found.kind,
                to_level=found.to_level,
                action=MOVES[found.kind].format(factor=title),
                evidence=curve.factor_evidence(found.factor, values)[:_TWO],
            ),
        ),
        tagline=f"Think of us when it is about {title}.",
        trial=f"Try it with the next ten clients, and ask them about {title}.",
        summary=f"You could stand alone in {title}.",
        confidence=curve.certainty(value),
    )


def _synthesis(value: SynthesisInput, *, slips: bool) -> SynthesisOutput:
    weighed, values = rules.weigh(value), values_of(value)
    found = weighed[1] if slips and len(weighed) > 1 else weighed[0]
    said, sure = JUDGEMENTS[found.kind], found.weight >= _SURE
    paths = found.paths[:_TWO]
    return SynthesisOutput(
        schema_version="synthesis_decision_v1",
        primary_constraint=PrimaryConstraint(
            kind=found.kind, statement=said.surely if sure else said.statement, evidence=entries(values, paths)
        ),
        actions=tuple(_action(task, paths, values) for task in ((said.task, said.second) if sure else (said.task,))),
        boundary=said.boundary,
        not_now=said.not_now,
        confidence="high" if sure else "medium",
    )


def _action(task: Task, paths: tuple[str, ...], values: Values) -> Action:
    return Action(
        action=task.action,
        who=task.who,
        due_days=task.due_days,
        done_when=task.done_when,
        evidence=entries(values, paths),
    )
