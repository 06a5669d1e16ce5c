"""Rules of ``synthesis_decision``: every finding of the four stages weighs for one constraint; the heaviest is it.

A bad signal weighs 2, one to watch 1, less the later it is named; an owner's week that is too heavy 3; standing behind
the competitors 3. Under 1 no constraint is clear, and the decision is to find out.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final, NamedTuple

from shared.pipelines.stages.contracts import values_of
from shared.pipelines.stages.contracts_inputs import SynthesisInput
from shared.pipelines.stages.contracts_outputs import (
    Action,
    Constraint,
    PrimaryConstraint,
    SignalName,
    SynthesisOutput,
)
from shared.pipelines.stages.contracts_parts import Confidence
from shared.pipelines.stages.deterministic_owner import OWNER_ACTIONS, ROLE_TITLES
from shared.pipelines.stages.deterministic_parts import Values, entries
from shared.pipelines.stages.deterministic_synthesis_words import WORDS, Plan, Task

OF_SIGNAL: Final[dict[SignalName, Constraint]] = {
    "cash_runway": "cash",
    "late_payment": "cash",
    "margin": "margin",
    "win_rate": "demand",
    "quote_follow_up": "demand",
    "backlog": "demand",
    "growth": "demand",
    "repeat_business": "demand",
    "client_concentration": "demand",
    "late_work": "delivery",
    "rework": "delivery",
    "capacity": "capacity",
}
_BAD, _WATCH, _LATER = 2.0, 1.0, 0.2
_CLEAR, _MARKED = 1.0, 3.0


class Weighed(NamedTuple):
    """A constraint with all that speaks for it: paths of the input."""

    weight: float
    kind: Constraint
    paths: tuple[str, ...]


def synthesis(value: SynthesisInput) -> SynthesisOutput:
    """Return the constraint that most findings speak for, and the plan against it."""
    values, found = values_of(value), weigh(value)[0]
    plan = WORDS[found.kind]
    evidence = entries(values, found.paths)
    return SynthesisOutput(
        schema_version="synthesis_decision_v1",
        primary_constraint=PrimaryConstraint(kind=found.kind, statement=_statement(plan, found), evidence=evidence),
        actions=tuple(_action(task, evidence) for task in plan.tasks) + _aside(value, found.kind, values),
        boundary=plan.boundary,
        not_now=plan.not_now,
        confidence=certainty(found),
    )


def weigh(value: SynthesisInput) -> list[Weighed]:
    """Return all constraints that something speaks for, the heaviest first; none of weight: it is unclear."""
    weights: defaultdict[Constraint, float] = defaultdict(float)
    paths: defaultdict[Constraint, list[str]] = defaultdict(list)
    for kind, weight, where in _findings(value):
        weights[kind] += weight
        paths[kind] += where
    found = [Weighed(weight, kind, tuple(paths[kind])) for kind, weight in weights.items() if weight >= _CLEAR]
    unclear = Weighed(0.0, "unclear", ("quant_signals.signals.0.name", "quant_signals.signals.0.state"))
    return sorted(found, key=lambda each: -each.weight) or [unclear]


def _findings(value: SynthesisInput) -> Iterator[tuple[Constraint, float, list[str]]]:
    """Yield what each finding weighs for which constraint, and where it stands."""
    for place, signal in enumerate(value.quant_signals.signals):
        weight = {"bad": _BAD, "watch": _WATCH, "good": 0.0}[signal.state]
        if weight:
            where = f"quant_signals.signals.{place}"
            yield OF_SIGNAL[signal.name], weight - _LATER * place, [f"{where}.name", f"{where}.state"]
    load = {"too_heavy": 3.0, "heavy": 1.5}.get(value.emyth_owner_load.owner_load)
    if load:
        yield "owner_time", load, ["emyth_owner_load.owner_load", "emyth_owner_load.main_hat"]
    if value.competitive_lens.position == "behind":
        yield "market_position", 3.0, ["competitive_lens.position", "competitive_lens.opening"]


def certainty(found: Weighed) -> Confidence:
    """Return how sure the constraint is: by its weight."""
    return "low" if found.weight < _CLEAR else "medium" if found.weight < _MARKED else "high"


def _statement(plan: Plan, found: Weighed) -> str:
    return plan.marked if found.weight >= _MARKED else plan.statement


def _action(task: Task, evidence: tuple[str, ...]) -> Action:
    return Action(action=task.action, who=task.who, due_days=task.due_days, done_when=task.done_when, evidence=evidence)


def _aside(value: SynthesisInput, kind: Constraint, values: Values) -> tuple[Action, ...]:
    """Return what takes weight off the owner meanwhile, unless that is the plan itself or nothing is heavy.

    In our own words: those of the stage before may be a model's.
    """
    first = value.emyth_owner_load.roles[0]
    if kind == "owner_time" or first.load != "heavy":
        return ()
    task = Task(
        OWNER_ACTIONS[first.next_step].format(role=ROLE_TITLES[first.role]), "owner", 60,
        "The owner's calendar has an hour less of it every week.",
    )  # fmt: skip
    where = ("emyth_owner_load.roles.0.role", "emyth_owner_load.roles.0.load", "emyth_owner_load.roles.0.next_step")
    return (_action(task, entries(values, where)),)
