"""The steps ``canary`` and ``canary-report``: a candidate shares the traffic of a surface, and is compared.

Which inputs it answers is decided by a hash of the input, so the same input always gets the same answerer. Of those
the active model is asked too, and both answers are kept side by side.
"""

from typing import Any, Self

from psycopg import Connection
from pydantic import Field, model_validator

from shared import models
from shared.contracts import Contract, Scope, Surface
from shared.db import canaries, pins
from shared.db.canaries import Canary
from shared.loop.choice import ModelName, Reason, latest_candidate, model_named, require_surface
from shared.loop.evaluate import answering_slice, summary_of
from shared.loop.loading import smoke_test
from shared.loop.promotable import evaluation_of
from shared.models import Model
from shared.pipeline import Done, Pipeline, Run, Step

_REPLACED = "another canary"
_ENDED = "ended by hand"


class CanaryParams(Contract):
    """Which model gets how much of the traffic of a surface."""

    surface: Surface = Field(default="default", description="The part of the pipeline.")
    model_id: ModelName | None = Field(
        default=None,
        description="The model: its id, version or provider's name. Empty: the canary that runs, or the latest"
        " candidate.",
        json_schema_extra={"also": "model"},
    )
    percent: int = Field(ge=0, le=100, description="Its share of the inputs; 0 ends the canary.", examples=[10])
    reason: Reason | None = Field(default=None, description="Why; kept in the history for good.")
    force: bool = Field(default=False, description="Even without an evaluation that it passed; needs a reason.")

    @model_validator(mode="after")
    def _reasoned(self) -> Self:
        if self.force and not self.reason:
            raise ValueError("force needs a reason")
        return self


class CanaryResult(Contract):
    """Whether a canary runs now, and how much it gets. Not running: the sentence says why."""

    running: bool
    sentence: str
    surface: str
    model_id: str | None = None
    version: str | None = None
    percent: int = 0
    canary_id: str | None = None


def canary_step(pipeline: Pipeline[Any, Any]) -> Step[CanaryParams]:
    """Return a pipeline's step ``canary``. It runs where models can be loaded."""
    return Step(
        pipeline=pipeline.name,
        name="canary",
        summary="Let a candidate answer some percent of the inputs beside the active model; 0 ends it.",
        queue=pipeline.train_queue,
        params=CanaryParams,
        run=lambda run, params: canary(pipeline, run, params),
        scope=Scope.PROMOTE,
        slice=answering_slice(pipeline),
    )


def canary(pipeline: Pipeline[Any, Any], run: Run, params: CanaryParams) -> Done:
    """Start a canary, change its share, or end it. A model is loaded and tried before it gets any traffic.

    Raises NotFoundError or InvalidInputError for a model that is none, and what a model that does not work raises.
    """
    require_surface(pipeline, params.surface)
    if params.percent == 0:
        return _end(pipeline, run, params)
    with run.reading() as conn:
        model = _wanted(conn, pipeline, params)
        against = _against(conn, pipeline, model, params)
    if against:
        return Done(result=_not_running(model, f"{pipeline.name} {model.version} got no share: {against}"))
    run.report(0.1, f"loading {model.version}")
    smoke_test(pipeline, run, model)
    run.report(0.9, "sharing the traffic")

    def record(conn: Connection) -> CanaryResult:
        models.hold(conn, pipeline.name, model.surface)
        against = _against(conn, pipeline, model, params)
        if against:
            return _not_running(model, f"{pipeline.name} {model.version} got no share: {against}")
        return _shared(pipeline, model, _put(conn, run, model, params))

    return Done(result=_not_running(model, f"{pipeline.name} {model.version} got no share yet."), record=record)


def _wanted(conn: Connection, pipeline: Pipeline[Any, Any], params: CanaryParams) -> Model:
    if params.model_id:
        return model_named(conn, pipeline, params.model_id, params.surface)
    running = canaries.running(conn, pipeline.name, params.surface)
    if running:
        return models.get(conn, running.model_id)
    return latest_candidate(conn, pipeline, params.surface)


def _against(conn: Connection, pipeline: Pipeline[Any, Any], model: Model, params: CanaryParams) -> str:
    """Say what stands against it; empty: nothing does."""
    active = models.active(conn, pipeline.name, model.surface)
    if active and active.id == model.id:
        return "it is active, and answers everything already."
    if pins.holding(conn, pipeline.name, model.surface):
        return f"{model.surface} is pinned to its deterministic implementation. Run {pipeline.name}.unpin first."
    if params.force:
        return ""
    evaluation = evaluation_of(conn, model)
    if evaluation is None:
        return f"it has not been evaluated. Run {pipeline.name}.evaluate on it first, or give --force and a reason."
    return "" if evaluation.passed else f"{summary_of(evaluation.verdicts)} With --force and a reason it would."


def _put(conn: Connection, run: Run, model: Model, params: CanaryParams) -> Canary:
    """Start it or change its share, while the surface is held. Only one canary of a surface runs."""
    running = canaries.running(conn, model.pipeline, model.surface)
    if running and running.model_id == model.id:
        canaries.set_percent(conn, running.id, params.percent)
        return canaries.get(conn, running.id)
    canaries.end(conn, pipeline=model.pipeline, surface=model.surface, actor=run.actor, why=_REPLACED)
    active = models.active(conn, model.pipeline, model.surface)
    forced = "Forced: " if params.force else ""
    return canaries.start(
        conn, pipeline=model.pipeline, surface=model.surface, model_id=model.id,
        active_id=active.id if active else None, percent=params.percent, actor=run.actor,
        reason=f"{forced}{params.reason or ''}", job_id=run.job_id,
    )  # fmt: skip


def _end(pipeline: Pipeline[Any, Any], run: Run, params: CanaryParams) -> Done:
    nothing = CanaryResult(
        running=False, sentence=f"No canary of {pipeline.name} {params.surface} runs.", surface=params.surface
    )

    def record(conn: Connection) -> CanaryResult:
        models.hold(conn, pipeline.name, params.surface)
        running = canaries.running(conn, pipeline.name, params.surface)
        if running is None:
            return nothing
        canaries.end(conn, pipeline=pipeline.name, surface=params.surface, actor=run.actor, why=params.reason or _ENDED)
        model = models.get(conn, running.model_id)
        sentence = f"{pipeline.name} {model.version} shares no traffic any more."
        return _not_running(model, sentence).model_copy(update={"canary_id": running.id})

    return Done(result=nothing, record=record)


def _not_running(model: Model, sentence: str) -> CanaryResult:
    return CanaryResult(
        running=False, sentence=sentence, surface=model.surface, model_id=model.id, version=model.version
    )


def _shared(pipeline: Pipeline[Any, Any], model: Model, started: Canary) -> CanaryResult:
    return CanaryResult(
        running=True,
        sentence=f"{pipeline.name} {model.version} answers {started.percent} percent of the inputs now.",
        surface=model.surface,
        model_id=model.id,
        version=model.version,
        percent=started.percent,
        canary_id=started.id,
    )
