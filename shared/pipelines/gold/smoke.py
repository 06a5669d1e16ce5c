"""What a smoke test says: figures over groups of snapshots, and every first answer that broke a rule."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import Field

from shared.contracts import Contract, JsonObject
from shared.ids import canonical_json
from shared.llm.tuned import BrokenRule


class SmokeCase(Contract):
    """A snapshot and the model's first answer to it. ``held_out``: its group is in the split ``test``."""

    example_id: str
    held_out: bool
    snapshot: JsonObject
    answer: str
    faults: tuple[BrokenRule, ...]


class SmokeFigures(Contract):
    """How many first answers there were, and how many of them broke a rule. The rate of none is None."""

    rows: int = Field(ge=0)
    offenders: int = Field(ge=0)
    offender_rate: float | None


class SmokeReport(Contract):
    """A whole smoke test. ``all`` counts each snapshot once; ``unlabelled`` are those that are not held out."""

    model: str
    model_id: str | None
    version: str | None
    job_id: str
    at: str
    all: SmokeFigures
    held_out: SmokeFigures
    unlabelled: SmokeFigures
    broken: dict[str, int]
    failures: tuple[SmokeCase, ...]


def figures(cases: Iterable[SmokeCase]) -> SmokeFigures:
    """Count offenders."""
    broke = [bool(case.faults) for case in cases]
    return SmokeFigures(rows=len(broke), offenders=sum(broke), offender_rate=sum(broke) / len(broke) if broke else None)


def report(
    cases: Sequence[SmokeCase], *, model: str, model_id: str | None, version: str | None, job_id: str, at: str
) -> SmokeReport:
    """Sum up a smoke test; an answer that breaks a rule twice counts once for it."""
    failures = tuple(case for case in cases if case.faults)
    return SmokeReport(
        model=model,
        model_id=model_id,
        version=version,
        job_id=job_id,
        at=at,
        all=figures(cases),
        held_out=figures(case for case in cases if case.held_out),
        unlabelled=figures(case for case in cases if not case.held_out),
        broken=dict(sorted(Counter(rule for case in failures for rule in {f.rule for f in case.faults}).items())),
        failures=failures,
    )


def as_bytes(told: SmokeReport) -> bytes:
    """Return a report as a file of JSON. Equal reports give equal bytes."""
    return canonical_json(told.model_dump(mode="json")) + b"\n"


def object_of(text: str) -> JsonObject:
    """Return the JSON object that an answer is; empty where it is none."""
    try:
        value = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
