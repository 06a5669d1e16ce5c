"""The steps by which a person moves the pointer of a surface: ``activate``, ``rollback`` and ``deactivate``.

A model is loaded and answers a few rows before it becomes active, so a broken one never gets there. What cannot be
done as things stand is a result with the reason; a model that does not work fails the job.
"""

from typing import Any

from psycopg import Connection
from pydantic import Field

from shared import models
from shared.contracts import Contract, Queue, Scope, Surface
from shared.db import promotions
from shared.loop.choice import AcceptSunset, ModelId, Reason, model_of, require_surface
from shared.loop.evaluate import answering_slice, summary_of
from shared.loop.loading import smoke_test
from shared.loop.pointer import PromotionResult, make_active, not_promoted
from shared.loop.promotable import evaluation_of, sunset_of, with_sunset
from shared.models import Change, Model
from shared.pipeline import Done, Pipeline, Run, Step


class ActivateParams(Contract):
    """Which model a person wants to be active, and why."""

    model_id: ModelId = Field(description="The model.")
    reason: Reason = Field(description="Why; kept in the history for good.", examples=["seen to do well in a trial"])
    force: bool = Field(default=False, description="Even without an evaluation that it passed.")
    accept_sunset: AcceptSunset = False


class RollbackParams(Contract):
    """Which model to go back to, and why."""

    surface: Surface = Field(default="default", description="The part of the pipeline that goes back.")
    model_id: ModelId | None = Field(default=None, description="The model. Empty: the one that was active before.")
    reason: Reason = Field(description="Why; kept in the history for good.", examples=["too many hard queries missed"])


class DeactivateParams(Contract):
    """Which surface shall answer with its fallback, and why."""

    surface: Surface = Field(default="default", description="The part of the pipeline that goes without a model.")
    model_id: ModelId | None = Field(default=None, description="Only if this is the active model. Empty: whichever is.")
    reason: Reason = Field(description="Why; kept in the history for good.", examples=["labels are being reviewed"])


class DeactivateResult(Contract):
    """What became of the surface. Not deactivated: no model was active, or another one than was meant."""

    deactivated: bool
    sentence: str
    surface: str
    previous_id: str | None = None
    promotion_id: str | None = None


def activate_step(pipeline: Pipeline[Any, Any]) -> Step[ActivateParams]:
    """Return a pipeline's step ``activate``. It runs where models can be loaded."""
    return Step(
        pipeline=pipeline.name,
        name="activate",
        summary="Make a model active by a person's decision.",
        queue=pipeline.train_queue,
        params=ActivateParams,
        run=lambda run, params: activate(pipeline, run, params),
        scope=Scope.PROMOTE,
        slice=answering_slice(pipeline),
    )


def rollback_step(pipeline: Pipeline[Any, Any]) -> Step[RollbackParams]:
    """Return a pipeline's step ``rollback``. It runs where models can be loaded."""
    return Step(
        pipeline=pipeline.name,
        name="rollback",
        summary="Go back to a model that was active before, once it is shown to work.",
        queue=pipeline.train_queue,
        params=RollbackParams,
        run=lambda run, params: rollback(pipeline, run, params),
        scope=Scope.PROMOTE,
        slice=answering_slice(pipeline),
    )


def deactivate_step(pipeline: Pipeline[Any, Any]) -> Step[DeactivateParams]:
    """Return a pipeline's step ``deactivate``."""
    return Step(
        pipeline=pipeline.name,
        name="deactivate",
        summary="Take the active model out of service: the pipeline answers with its fallback.",
        queue=Queue.DB,
        params=DeactivateParams,
        run=lambda run, params: deactivate(pipeline, run, params),
        scope=Scope.PROMOTE,
    )


def activate(pipeline: Pipeline[Any, Any], run: Run, params: ActivateParams) -> Done:
    """Activate a model that passed its latest evaluation, whatever is active now; with ``force`` any that works.

    One that its provider ends soon is activated only if that is accepted.
    """
    with run.reading() as conn:
        model = model_of(conn, pipeline, params.model_id)
        evaluation = evaluation_of(conn, model)
        sunset = sunset_of(conn, model)
    if not params.force and not (evaluation and evaluation.passed):
        why = summary_of(evaluation.verdicts) if evaluation else "it has not been evaluated."
        sentence = f"{pipeline.name} {model.version} was not activated: {why} With force it would be."
        return Done(result=not_promoted(model.surface, sentence, model))
    if sunset and not params.accept_sunset:
        sentence = f"{pipeline.name} {model.version} was not activated: {sunset}. With accept_sunset it would be."
        return Done(result=not_promoted(model.surface, sentence, model))
    change = Change(
        pipeline=pipeline.name, surface=model.surface, kind="activate", to_model=model.id, actor=run.actor,
        reason=with_sunset(params.reason, sunset), job_id=run.job_id, evaluation=evaluation,
    )  # fmt: skip
    return _verified(pipeline, run, model, change)


def rollback(pipeline: Pipeline[Any, Any], run: Run, params: RollbackParams) -> Done:
    """Go back to a model that has been active: the one given, or the one before the present one."""
    require_surface(pipeline, params.surface)
    with run.reading() as conn:
        target = params.model_id or _previous(conn, pipeline.name, params.surface)
        model = model_of(conn, pipeline, target, params.surface) if target else None
        known = model is not None and promotions.was_active(conn, model.id)
    if model is None:
        sentence = f"{pipeline.name} was not rolled back: no model was active before the present one."
        return Done(result=not_promoted(params.surface, sentence, None))
    if not known:
        sentence = (
            f"{pipeline.name} was not rolled back: {model.version} has never been active. Promote or activate it."
        )
        return Done(result=not_promoted(params.surface, sentence, model))
    change = Change(
        pipeline=pipeline.name, surface=params.surface, kind="rollback", to_model=model.id, actor=run.actor,
        reason=params.reason, job_id=run.job_id,
    )  # fmt: skip
    return _verified(pipeline, run, model, change)


def deactivate(pipeline: Pipeline[Any, Any], run: Run, params: DeactivateParams) -> Done:
    """Leave a surface without an active model."""
    require_surface(pipeline, params.surface)
    change = Change(
        pipeline=pipeline.name, surface=params.surface, kind="deactivate", to_model=None, actor=run.actor,
        reason=params.reason, job_id=run.job_id,
    )  # fmt: skip
    why = f"{params.model_id} is not the active model." if params.model_id else "no model is active."
    nothing = DeactivateResult(
        deactivated=False, sentence=f"{pipeline.name} was left as it is: {why}", surface=params.surface
    )

    def record(conn: Connection) -> DeactivateResult:
        active = models.hold(conn, pipeline.name, params.surface)
        if active is None or active.id != (params.model_id or active.id):
            return nothing
        promotion = models.switch(conn, change)
        return DeactivateResult(
            deactivated=True,
            sentence=f"{pipeline.name} {active.version} is no longer active: the fallback answers now.",
            surface=params.surface,
            previous_id=active.id,
            promotion_id=promotion.id,
        )

    return Done(result=nothing, record=record)


def _previous(conn: Connection, pipeline: str, surface: str) -> str | None:
    active = models.active(conn, pipeline, surface)
    return promotions.previous_model(conn, pipeline, surface, active.id if active else None)


def _verified(pipeline: Pipeline[Any, Any], run: Run, model: Model, change: Change) -> Done:
    """Show that the model works, then let the transaction move the pointer to it, unless it is there already."""
    run.report(0.1, f"loading {model.version}")
    smoke_test(pipeline, run, model)
    run.report(0.9, "moving the pointer")
    unchanged = not_promoted(model.surface, f"{pipeline.name} {model.version} is active already.", model)

    def record(conn: Connection) -> PromotionResult:
        active = models.hold(conn, pipeline.name, model.surface)
        return unchanged if active and active.id == model.id else make_active(conn, model, change)

    return Done(result=unchanged, record=record)
