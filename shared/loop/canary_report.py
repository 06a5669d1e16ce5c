"""The step ``canary-report``: how a canary's answers compare with the active model's, to the same inputs."""

from datetime import datetime
from typing import Annotated, Any

from psycopg import Connection
from pydantic import Field

from shared import ids, models
from shared.contracts import Contract, Queue, Surface
from shared.db import canaries
from shared.db.canaries import Canary, PairFigures
from shared.errors import InvalidInputError, NotFoundError
from shared.loop.choice import require_surface
from shared.pipeline import Done, Pipeline, Run, Step

CanaryId = Annotated[str, Field(pattern=rf"^{ids.CANARY}_[0-9a-f]{{32}}$")]


class CanaryReportParams(Contract):
    """Which canary to report on."""

    surface: Surface = Field(default="default", description="The part of the pipeline.")
    canary_id: CanaryId | None = Field(
        default=None, description="The canary. Empty: the one that runs, or that ran last."
    )


class CanaryReport(Contract):
    """Both models on the same inputs: ``pairs`` of answers, ``same`` of them equal, ``agreement`` of their fields.

    ``canary_answers`` and ``active_answers`` are what callers were given while it ran; ``paths`` are shares of the
    pairs, by who answered and how. Without a pair the means are None.
    """

    sentence: str
    canary_id: str
    surface: str
    percent: int
    running: bool
    started_at: datetime
    ended_at: datetime | None
    ended_why: str | None
    model_id: str
    version: str
    active_id: str | None
    active_version: str | None
    pairs: int
    same: int
    agreement: float | None
    canary_confidence: float | None
    active_confidence: float | None
    paths: dict[str, dict[str, float]]
    canary_answers: int
    active_answers: int


def canary_report_step(pipeline: Pipeline[Any, Any]) -> Step[CanaryReportParams]:
    """Return a pipeline's step ``canary-report``."""
    return Step(
        pipeline=pipeline.name,
        name="canary-report",
        summary="Compare a canary's answers with the active model's, on the inputs that both answered.",
        queue=Queue.DB,
        params=CanaryReportParams,
        run=lambda run, params: canary_report(pipeline, run, params),
    )


def canary_report(pipeline: Pipeline[Any, Any], run: Run, params: CanaryReportParams) -> Done:
    """Report on the canary that runs, or on an earlier one. Raises NotFoundError where there has been none."""
    require_surface(pipeline, params.surface)
    with run.reading() as conn:
        return Done(result=report_on(conn, _chosen(conn, pipeline, params)))


def _chosen(conn: Connection, pipeline: Pipeline[Any, Any], params: CanaryReportParams) -> Canary:
    if params.canary_id:
        found = canaries.get(conn, params.canary_id)
        if (found.pipeline, found.surface) != (pipeline.name, params.surface):
            raise InvalidInputError(f"{params.canary_id} belongs to {found.pipeline}, surface {found.surface}")
        return found
    latest = canaries.latest(conn, pipeline.name, params.surface)
    if latest is None:
        raise NotFoundError(
            f"{pipeline.name} {params.surface} has had no canary",
            advice=f"start one: {pipeline.name}.canary with a percent",
        )
    return latest


def report_on(conn: Connection, canary: Canary) -> CanaryReport:
    """Return how a canary compares, as far as its pairs are written down."""
    figures = canaries.figures(conn, canary.id)
    model = models.get(conn, canary.model_id)
    active = models.get(conn, canary.active_id) if canary.active_id else None
    paths: dict[str, dict[str, float]] = {"canary": {}, "active": {}}
    for each in canaries.paths(conn, canary.id):
        paths[each.who][each.path] = each.count / figures.pairs
    canary_answers, active_answers = canaries.given(conn, canary.id)
    return CanaryReport(
        sentence=_sentence(figures, model.version, active.version if active else "the fallback"),
        canary_id=canary.id,
        surface=canary.surface,
        percent=canary.percent,
        running=canary.ended_at is None,
        started_at=canary.started_at,
        ended_at=canary.ended_at,
        ended_why=canary.ended_why,
        model_id=model.id,
        version=model.version,
        active_id=canary.active_id,
        active_version=active.version if active else None,
        pairs=figures.pairs,
        same=figures.same,
        agreement=figures.agreement,
        canary_confidence=figures.canary_confidence,
        active_confidence=figures.active_confidence,
        paths=paths,
        canary_answers=canary_answers,
        active_answers=active_answers,
    )


def _sentence(figures: PairFigures, version: str, other: str) -> str:
    if not figures.pairs or figures.agreement is None:
        return f"{version} and {other} have not answered the same input yet."
    return (
        f"{version} and {other} answered {figures.pairs} inputs both: {figures.same} the same, with"
        f" {figures.agreement:.0%} of the fields equal."
    )
