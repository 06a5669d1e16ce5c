"""The step ``promote``: a candidate that passed every gate becomes the active model.

It is decided twice: before the card is written, and again while the surface is held, in the transaction that moves the
pointer. Whoever is killed anywhere leaves all of it or nothing. "No" is a result, with the reason in it.
"""

from typing import Any

from psycopg import Connection
from pydantic import Field

from shared import models
from shared.contracts import Contract, Queue, Scope, Surface
from shared.db import datasets, evaluations, sunsets
from shared.db.datasets import DatasetRecord
from shared.db.evaluations import Evaluation
from shared.errors import InvalidInputError
from shared.llm.sunset import ending_now
from shared.loop.card import model_card
from shared.loop.choice import AcceptSunset, EvaluationId, ModelId, model_of, require_surface
from shared.loop.evaluate import summary_of
from shared.loop.pointer import PromotionResult, make_active, not_promoted
from shared.models import Change, Model
from shared.pipeline import Done, Pipeline, Run, Step


class PromoteParams(Contract):
    """Which model to promote, on which evidence."""

    surface: Surface = Field(default="default", description="The part of the pipeline that the model is for.")
    model_id: ModelId = Field(description="The candidate.")
    evaluation_id: EvaluationId | None = Field(default=None, description="The evaluation. Empty: the model's latest.")
    accept_sunset: AcceptSunset = False


def promote_step(pipeline: Pipeline[Any, Any]) -> Step[PromoteParams]:
    """Return a pipeline's step ``promote``."""
    return Step(
        pipeline=pipeline.name,
        name="promote",
        summary="Make a candidate that passed every gate the active model.",
        queue=Queue.DB,
        params=PromoteParams,
        run=lambda run, params: promote(pipeline, run, params),
        scope=Scope.PROMOTE,
    )


def promote(pipeline: Pipeline[Any, Any], run: Run, params: PromoteParams) -> Done:
    """Decide, write the card, then decide again and move the pointer in one transaction.

    Raises NotFoundError or InvalidInputError for parameters that do not fit together.
    """
    require_surface(pipeline, params.surface)
    with run.reading() as conn:
        model = model_of(conn, pipeline, params.model_id, params.surface)
        evaluation = evaluation_of(conn, model, params.evaluation_id)
        active = models.active(conn, pipeline.name, params.surface)
        evaluated_on = datasets.get(conn, evaluation.dataset_id) if evaluation else None
        sunset = sunset_of(conn, model)
    if evaluation is None or evaluated_on is None:
        sentence = f"{_name(model)} was not promoted: run {pipeline.name}.evaluate on it first."
        return Done(result=not_promoted(params.surface, sentence, model))
    ends = "" if params.accept_sunset else sunset
    refused = _refusal(model, evaluation, active, ends)
    if refused:
        return Done(result=refused)
    run.report(0.3, "writing the model card")
    change = _change(run, model, evaluation, evaluated_on, sunset)
    run.report(0.9, "moving the pointer")

    def record(conn: Connection) -> PromotionResult:
        active = models.hold(conn, pipeline.name, params.surface)
        ends = "" if params.accept_sunset else sunset_of(conn, model)
        return _refusal(model, evaluation, active, ends) or make_active(conn, model, change)

    undecided = not_promoted(params.surface, f"{_name(model)} was not promoted yet.", model)
    return Done(result=undecided, record=record)


def evaluation_of(conn: Connection, model: Model, evaluation_id: str | None = None) -> Evaluation | None:
    """Return one evaluation of a model, or its latest, if any.

    Raises NotFoundError, or InvalidInputError when the evaluation is another model's.
    """
    if evaluation_id is None:
        latest = evaluations.of_model(conn, model.id, limit=1)
        return latest[0] if latest else None
    evaluation = evaluations.get(conn, evaluation_id)
    if evaluation.model_id != model.id:
        raise InvalidInputError(f"evaluation {evaluation_id} is of another model, {evaluation.model_id}")
    return evaluation


def sunset_of(conn: Connection, model: Model) -> str:
    """Say that the provider ends the model behind this one soon, or has; empty when it does not."""
    sunset = ending_now(conn, model.parameters)
    return sunset.sentence(sunsets.today(conn)) if sunset else ""


def with_sunset(reason: str, sunset: str) -> str:
    """Return the reason for a change, with what was accepted knowingly."""
    return f"{reason} Accepted although {sunset}." if sunset else reason


def _refusal(model: Model, evaluation: Evaluation, active: Model | None, sunset: str) -> PromotionResult | None:
    """Decide purely whether something stands against a promotion. ``sunset`` is what was not accepted."""
    if active and active.id == model.id:
        why = "it is active already."
    elif not evaluation.passed:
        why = summary_of(evaluation.verdicts)
    elif evaluation.active_id != (active.id if active else None):
        why = f"it was not compared with the model that is active now. Run {model.pipeline}.evaluate again."
    elif active and active.manifest == model.manifest:
        why = f"it is byte for byte the active model {active.version}: nothing new was learned."
    elif sunset:
        why = f"{sunset}. With accept_sunset it would be."
    else:
        return None
    return not_promoted(model.surface, f"{_name(model)} was not promoted: {why}", model, evaluation.verdicts)


def _change(run: Run, model: Model, evaluation: Evaluation, evaluated_on: DatasetRecord, sunset: str) -> Change:
    return Change(
        pipeline=model.pipeline,
        surface=model.surface,
        kind="promote",
        to_model=model.id,
        actor=run.actor,
        reason=with_sunset(summary_of(evaluation.verdicts), sunset),
        job_id=run.job_id,
        evaluation=evaluation,
        card=models.store_card(run.artifacts, _card(run, model, evaluation, evaluated_on)),
    )


def _name(model: Model) -> str:
    return f"{model.pipeline} {model.version}"


def _card(run: Run, model: Model, evaluation: Evaluation, evaluated_on: DatasetRecord) -> str:
    return model_card(
        model,
        evaluated_on,
        metrics=evaluation.metrics,
        verdicts=evaluation.verdicts,
        promotion=f"Promoted by {run.actor} with job `{run.job_id}`, on evaluation `{evaluation.id}`.",
    )
