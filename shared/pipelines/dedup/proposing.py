"""The steps around thresholds: ``propose-thresholds`` reads a held-out curve, ``apply-thresholds`` is a person's word.

And ``auto-mode``, which says whether anything may be merged without a person.
"""

from typing import Annotated, Final

import structlog
from psycopg import Connection
from pydantic import Field, model_validator

from shared.contracts import Contract, JsonObject, Outcome, Verdict
from shared.db import dedup
from shared.errors import NotFoundError
from shared.pipeline import Done, Run
from shared.pipelines.dedup.auto import auto_verdict, judge
from shared.pipelines.dedup.policy import policy
from shared.pipelines.dedup.thresholds import thresholds

log = structlog.get_logger()

_EVEN: Final = 0.5
_REASON: Final = r"^[^\x00]+$"

Threshold = Annotated[float, Field(ge=_EVEN, le=1, multiple_of=0.01)]
ModelId = Annotated[str, Field(pattern=r"^mdl_[0-9a-f]{32}$")]


class ProposeThresholdsParams(Contract):
    """Whose curve to read."""

    model_id: ModelId | None = Field(default=None, description="The model. Empty: the active one.")


class ProposeThresholdsResult(Contract):
    """The thresholds that the held-out curve speaks for. None: nothing on it is good enough.

    ``auto_merge`` is the lowest that is, which merges most; ``careful`` the highest, which still merges enough to be
    sure.
    """

    sentence: str
    evaluation_id: str
    auto_merge: float | None
    careful: float | None
    propose: float | None
    points: tuple[JsonObject, ...]
    """The curve: of each threshold the merges, the right ones, their precision with its interval, and the recall."""


def propose_thresholds(run: Run, params: ProposeThresholdsParams) -> Done:
    """Read the latest evaluation's curve. Nothing is changed. Raises NotFoundError without an evaluation."""
    with run.reading() as conn:
        evaluated = dedup.latest_evaluation(conn, params.model_id)
    if evaluated is None:
        raise NotFoundError("there is no evaluation of that model", advice="run dedup.evaluate first")
    points = _points(evaluated)
    auto_merge, careful, propose = _proposed(points)
    result = ProposeThresholdsResult(
        sentence=_sentence(auto_merge, careful, propose),
        evaluation_id=evaluated.id,
        auto_merge=auto_merge,
        careful=careful,
        propose=propose,
        points=tuple(points),
    )
    return Done(result=result)


def _points(evaluated: dedup.Evaluated) -> list[JsonObject]:
    figures: JsonObject = (evaluated.metrics.get("all") or {}).get("candidate") or {}
    points: list[JsonObject] = figures.get("curve") or []
    return points


def _proposed(points: list[JsonObject]) -> tuple[float | None, float | None, float | None]:
    """Return the lowest and the highest threshold whose precision is surely enough, and the lowest where half is right.

    Surely: its interval's lower end is not below the policy's bound there. The curve is followed from the highest
    threshold that is so, down to the first that is not: a lucky step further down proposes nothing.
    """
    least = policy().auto.min_precision_lower_bound
    good: list[float] = []
    for point in reversed(points):
        if point["merges"] and point["low"] >= least:
            good.append(float(point["threshold"]))
        elif good:
            break
    asked = [p for p in points if p["merges"] and p["precision"] >= _EVEN]
    propose = min((float(p["threshold"]) for p in asked), default=None)
    if not good:
        return None, None, propose
    return good[-1], good[0], None if propose is None else min(propose, good[-1])


def _sentence(auto_merge: float | None, careful: float | None, propose: float | None) -> str:
    least = policy().auto.min_precision_lower_bound
    if auto_merge is None or careful is None:
        return f"No threshold has a precision that is surely {least:.1%} on held-out pairs: mode auto is not for it."
    asking = f", and from {propose:.2f} on a person is worth asking" if propose is not None else ""
    return (
        f"With thresholds from {auto_merge:.2f} to {careful:.2f}, merges are surely {least:.1%} right on held-out"
        f" pairs{asking}. A person applies one: dedup.apply-thresholds."
    )


class ApplyThresholdsParams(Contract):
    """The thresholds that shall count, and why."""

    auto_merge: Threshold = Field(description="Confidence from which mode auto merges.", examples=[0.9])
    propose: Threshold = Field(description="Confidence from which a person is asked.", examples=[0.7])
    reason: str = Field(
        min_length=1, max_length=1_000, pattern=_REASON, description="Why; kept for good.", examples=["few misses"]
    )

    @model_validator(mode="after")
    def _ordered(self) -> "ApplyThresholdsParams":
        if self.propose > self.auto_merge:
            raise ValueError("propose must not be over auto_merge")
        return self


class ApplyThresholdsResult(Contract):
    """The thresholds before and after, and what the active model's held-out pairs say of the new one."""

    sentence: str
    before: dict[str, float]
    after: dict[str, float]
    auto: Verdict


def apply_thresholds(run: Run, params: ApplyThresholdsParams) -> Done:
    """Put a person's thresholds in the place of the policy's.

    Mode auto still asks for the precision at them, and a similarity alone merges nothing, however low they are.
    """
    with run.reading() as conn:
        before, evaluated = thresholds(conn), dedup.latest_evaluation(conn)
    figures = (evaluated.metrics.get("all") or {}).get("candidate") if evaluated else None
    verdict = judge(figures or {}, params.auto_merge)
    said = "mode auto may be used" if verdict.outcome is Outcome.PASS else "mode auto is refused at it"
    result = ApplyThresholdsResult(
        sentence=f"{params.auto_merge:.2f} and {params.propose:.2f} count from now on; {said}. {verdict.sentence}",
        before={"auto_merge": before.auto_merge, "propose": before.propose},
        after={"auto_merge": params.auto_merge, "propose": params.propose},
        auto=verdict,
    )

    def record(conn: Connection) -> None:
        dedup.apply_thresholds(
            conn, auto_merge=params.auto_merge, propose=params.propose, actor=run.actor, reason=params.reason,
            evaluation_id=evaluated.id if evaluated else None,
        )  # fmt: skip
        log.info("thresholds applied", actor=run.actor, auto_merge=params.auto_merge, propose=params.propose)

    return Done(result=result, record=record)


class AutoModeParams(Contract):
    """Nothing to choose: the active model is judged at the thresholds that count."""


class AutoModeResult(Contract):
    """Whether mode auto may be used, and why."""

    allowed: bool
    sentence: str
    auto_merge: float
    propose: float
    verdict: Verdict


def auto_mode(run: Run, _params: AutoModeParams) -> Done:
    """Say whether anything may be merged without a person now."""
    with run.reading() as conn:
        verdict, limits = auto_verdict(conn), thresholds(conn)
    result = AutoModeResult(
        allowed=verdict.outcome is Outcome.PASS,
        sentence=verdict.sentence,
        auto_merge=limits.auto_merge,
        propose=limits.propose,
        verdict=verdict,
    )
    return Done(result=result)
