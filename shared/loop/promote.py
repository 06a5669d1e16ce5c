"""The step ``promote``: a candidate that passes every gate becomes the active model.

Gates that nobody has asked yet about this candidate beside the model that is active now are asked first, by the step
``evaluate``: where models can be loaded, and with a record of its own. Then it is decided twice: before the files are
written, and again while the surface is held, in the transaction that moves the pointer. Whoever is killed anywhere
leaves all of it or nothing. "No" is a result, with the reason in it, and with a report that has every figure.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from psycopg import Connection
from pydantic import Field, model_validator

from shared import models
from shared.contracts import Contract, Queue, Scope, Surface, Verdict
from shared.db import canaries, datasets
from shared.db.datasets import DatasetRecord
from shared.db.evaluations import Evaluation
from shared.errors import InvalidInputError, NotFoundError
from shared.loop.canary_report import CanaryReport, report_on
from shared.loop.choice import (
    AcceptSunset,
    EvaluationId,
    ModelName,
    Reason,
    latest_candidate,
    model_named,
    require_surface,
)
from shared.loop.evaluate import EvaluateParams, summary_of
from shared.loop.pointer import PromotionResult, make_active, not_promoted
from shared.loop.promotable import (
    ACTIVE_ALREADY,
    Case,
    against,
    eligibility_of,
    evaluation_of,
    is_current,
    reports_on,
    sunset_of,
    with_sunset,
)
from shared.loop.promotion_files import Ending, Evidence, card_of, promotion_files, report_name
from shared.models import Change, Model
from shared.pipeline import Done, Next, Pipeline, Run, Step


class PromoteParams(Contract):
    """Which model to promote, on which evidence."""

    surface: Surface = Field(default="default", description="The part of the pipeline that the model is for.")
    model_id: ModelName | None = Field(
        default=None,
        description="The model: its id, version or provider's name. Empty: the latest candidate.",
        json_schema_extra={"also": "model"},
    )
    evaluation_id: EvaluationId | None = Field(
        default=None,
        description="The evaluation. Empty: the model's latest; the model is evaluated first if that is out of date.",
    )
    from_canary: bool = Field(default=False, description="Promote the model that shares the surface's traffic now.")
    force: bool = Field(
        default=False, description="Waive minimums of rows, never a failed evaluation; needs a reason, which is kept."
    )
    reason: Reason | None = Field(default=None, description="Why; kept in the history for good.")
    dry_run: bool = Field(default=False, description="Check everything and write the files, but promote nothing.")
    accept_sunset: AcceptSunset = False

    @model_validator(mode="after")
    def _reasoned(self) -> Self:
        if self.force and not self.reason:
            raise ValueError("force needs a reason")
        return self


def promote_step(pipeline: Pipeline[Any, Any]) -> Step[PromoteParams]:
    """Return a pipeline's step ``promote``."""
    return Step(
        pipeline=pipeline.name,
        name="promote",
        summary="Ask every gate about a candidate, and make it the active model if all let it through.",
        queue=Queue.DB,
        params=PromoteParams,
        run=lambda run, params: promote(pipeline, run, params),
        scope=Scope.PROMOTE,
    )


def promote(pipeline: Pipeline[Any, Any], run: Run, params: PromoteParams) -> Done | Next:
    """Let the candidate be evaluated if need be; decide, write report and card, decide again and move the pointer.

    Raises NotFoundError or InvalidInputError for parameters that do not fit together.
    """
    require_surface(pipeline, params.surface)
    with run.reading() as conn:
        found = _read(conn, pipeline, params)
    if found.wants_evaluation and not params.evaluation_id:
        asked = EvaluateParams(surface=params.surface, model_id=found.model.id)
        return Next(kind=f"{pipeline.name}.evaluate", params=asked)
    evidence = _evidence(pipeline, run, params, found)
    case, sunset = evidence.case, found.sunset
    if case is None:
        return Done(result=_told(run, evidence, "blocked", _refused(evidence.model, ACTIVE_ALREADY)))
    ends = "" if params.accept_sunset else sunset
    why = against(case, evidence.active, ends)
    if why:
        return Done(result=_told(run, evidence, "blocked", _refused(evidence.model, why), case))
    if params.dry_run:
        sentence = f"{_name(evidence.model)} would be promoted. Nothing was changed: this is a dry run."
        return Done(result=_told(run, evidence, "dry-run", sentence, case))
    run.report(0.5, "writing the model card")
    prepared = _told(run, evidence, "promoted", "", case)
    change = _change(run, evidence, case, sunset)
    run.report(0.9, "moving the pointer")

    def record(conn: Connection) -> PromotionResult:
        active = models.hold(conn, pipeline.name, params.surface)
        ends = "" if params.accept_sunset else sunset_of(conn, case.model)
        why = against(case, active, ends)
        if why:  # somebody else was faster: this is what the report must say then
            return _told(run, evidence, "blocked", _refused(case.model, why), case)
        made = make_active(conn, case.model, change)
        return made.model_copy(update={"files": prepared.files, "advice": prepared.advice, "forced": case.force})

    return Done(result=prepared, record=record)


# --- what it is decided on ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What the registry says. Only the active model may be without an evaluation."""

    model: Model
    active: Model | None
    evaluation: Evaluation | None
    evaluated_on: DatasetRecord | None
    trained_on: DatasetRecord
    canary: CanaryReport | None
    reports: tuple[Verdict, ...]
    sunset: str

    @property
    def wants_evaluation(self) -> bool:
        """Whether the gates must be asked first: not of the active model, which cannot be promoted anyway."""
        is_active = self.active is not None and self.active.id == self.model.id
        return not is_active and not (self.evaluation and is_current(self.evaluation, self.active))


def _read(conn: Connection, pipeline: Pipeline[Any, Any], params: PromoteParams) -> _Found:
    model = _wanted(conn, pipeline, params)
    evaluation = evaluation_of(conn, model, params.evaluation_id)
    shared = canaries.latest(conn, pipeline.name, params.surface, model.id)
    return _Found(
        model=model,
        active=models.active(conn, pipeline.name, params.surface),
        evaluation=evaluation,
        evaluated_on=datasets.get(conn, evaluation.dataset_id) if evaluation else None,
        trained_on=datasets.get(conn, model.dataset_id),
        canary=report_on(conn, shared) if shared else None,
        reports=reports_on(conn, pipeline, model),
        sunset=sunset_of(conn, model),
    )


def _evidence(pipeline: Pipeline[Any, Any], run: Run, params: PromoteParams, found: _Found) -> Evidence:
    case = None
    if found.evaluation:
        run.report(0.1, "checking the dataset")
        eligibility = eligibility_of(pipeline, run.artifacts, params.surface, found.trained_on)
        case = Case(
            model=found.model, evaluation=found.evaluation, eligibility=eligibility, reports=found.reports,
            force=params.force,
        )  # fmt: skip
    return Evidence(
        model=found.model,
        active=found.active,
        case=case,
        evaluated_on=found.evaluated_on,
        canary=found.canary,
        reason=params.reason or "",
        dry_run=params.dry_run,
        at=datetime.now(UTC),
    )


def _wanted(conn: Connection, pipeline: Pipeline[Any, Any], params: PromoteParams) -> Model:
    named = model_named(conn, pipeline, params.model_id, params.surface) if params.model_id else None
    if not params.from_canary:
        return named or latest_candidate(conn, pipeline, params.surface)
    running = canaries.running(conn, pipeline.name, params.surface)
    if running is None:
        raise NotFoundError(
            f"no canary of {pipeline.name} {params.surface} runs",
            advice="name the model, or leave out from_canary for the latest candidate",
        )
    if named and named.id != running.model_id:
        raise InvalidInputError(f"the canary is another model, {running.model_id}")
    return models.get(conn, running.model_id)


def _change(run: Run, evidence: Evidence, case: Case, sunset: str) -> Change:
    card = card_of(run, evidence, "promoted", "")
    return Change(
        pipeline=case.model.pipeline,
        surface=case.model.surface,
        kind="promote",
        to_model=case.model.id,
        actor=run.actor,
        reason=with_sunset(_reason(evidence, case), sunset),
        job_id=run.job_id,
        evaluation=case.evaluation,
        verdicts=case.verdicts,
        card=models.store_card(run.artifacts, card) if card else None,
    )


def _reason(evidence: Evidence, case: Case) -> str:
    """Say why for the history: what the gates said, and what a person said, above all where something was waived."""
    if case.waived:
        waived = " ".join(verdict.sentence for verdict in case.waived)
        return f"Forced: {evidence.reason} Waived: {waived}"
    return " ".join(part for part in (evidence.reason, summary_of(case.verdicts)) if part)


# --- what is said ---------------------------------------------------------------------------------------------------


def _told(run: Run, evidence: Evidence, ending: Ending, sentence: str, case: Case | None = None) -> PromotionResult:
    """Write the files; return the result as it is while nothing has changed."""
    said = sentence or f"{_name(evidence.model)} is active now."
    files = promotion_files(run, evidence, ending, said, card_of(run, evidence, ending, said))
    verdicts = case.verdicts if case else ()
    told = not_promoted(evidence.model.surface, said, evidence.model, verdicts)
    return told.model_copy(
        update={
            "dry_run": evidence.dry_run,
            "forced": bool(case and case.force),
            "advice": f"The report has every figure: {report_name(evidence)}",
            "files": files,
        }
    )


def _refused(model: Model, why: str) -> str:
    return f"{_name(model)} was not promoted: {why}"


def _name(model: Model) -> str:
    return f"{model.pipeline} {model.version}"
