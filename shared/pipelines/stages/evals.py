"""The step ``evals``: each stage on held-out approved rows, and all five in a row, as a report for people and programs.

Whoever answers for a stage is tried: its active model, a model that is named, or its rules. All figures are computed
from what was answered; nothing is judged by a model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pydantic import Field

from shared import ids
from shared.contracts import Contract, JsonObject, Outcome, Verdict
from shared.db import stages
from shared.errors import InvalidInputError, NotFoundError
from shared.files import ResultFiles, publish_files
from shared.ids import canonical_json
from shared.infer import ModelName
from shared.llm.tuned import First
from shared.pipeline import Answer, Comparison, Done, Row, Run, Scores
from shared.pipelines.stages.contracts import canonical
from shared.pipelines.stages.contracts_inputs import StageInput
from shared.pipelines.stages.contracts_outputs import StageOutput
from shared.pipelines.stages.fallback import fallback
from shared.pipelines.stages.gates import gates
from shared.pipelines.stages.policy import policy
from shared.pipelines.stages.versions import ALL, STAGES, Stage, StageOrAll

if TYPE_CHECKING:
    from shared.pipelines.stages.model import StageModel

RULES: Final = "rules"
PIPELINE: Final = "pipeline"


class EvalsParams(Contract):
    """Which stages to evaluate, and perhaps a model that shall take its stage's place."""

    stage: StageOrAll = Field(default="all", description="One stage, or `all`. The pipeline always is.")
    model: ModelName | None = Field(
        default=None,
        description="With --stage: a model's id, version or provider's name. Empty: whoever answers for it now.",
    )
    judge: ModelName | None = Field(
        default=None,
        description="The provider's name of a model that rates some answers (1 to 5): reported, and in no gate.",
    )


class StageEval(Contract):
    """How one stage did, or the five in a row. ``answered_by``: a model's version or provider's name, or `rules`."""

    answered_by: str
    model_id: str | None
    rows: int
    figures: JsonObject
    verdicts: tuple[Verdict, ...]
    passed: bool


class EvalsReport(Contract):
    """A whole eval."""

    at: str
    job_id: str
    passed: bool
    sentence: str
    stages: dict[Stage, StageEval]
    pipeline: StageEval
    thresholds: JsonObject


class EvalsResult(Contract):
    """Whether all that was evaluated is good enough, and the report as JSON and as a page."""

    passed: bool
    sentence: str
    stages: dict[Stage, StageEval]
    pipeline: StageEval
    files: ResultFiles


@dataclass(frozen=True, kw_only=True)
class _Answerer:
    """Who answers for a stage: a model's name at its provider."""

    shown: str
    model_id: str | None
    provider: str | None
    name: str


class RulesModel:
    """The rules of a stage in a model's place: they answer at once, for nothing."""

    def predict(self, inputs: Sequence[StageInput]) -> list[Answer[StageOutput]]:
        """Answer each input."""
        return [fallback(value) for value in inputs]

    def first(self, inputs: Sequence[StageInput]) -> list[First]:
        """Answer each input; rules keep the rules."""
        return [
            First(text=canonical(answer.output), faults=(), seconds=0.0, cost_usd=0.0)
            for answer in self.predict(inputs)
        ]


def evals(run: Run, params: EvalsParams) -> Done:
    """Evaluate, and write the report. An attempt that is cut off finds its answers again in the cache.

    Raises InvalidInputError or NotFoundError for parameters that name nothing, and what completions raise.
    """
    from shared.pipelines.stages.model import named
    from shared.pipelines.stages.row_of_five import all_in_a_row, businesses_to_try

    answerers = _answerers(run, params)
    models = {stage: named(who.name, who.provider, job_id=run.job_id) for stage, who in answerers.items()}
    chosen = STAGES if params.stage == ALL else (params.stage,)
    found: dict[Stage, StageEval] = {}
    for place, stage in enumerate(chosen):
        scores = _scored(run, stage, models.get(stage) or RulesModel(), params.judge, 0.6 * place / len(chosen))
        found[stage] = _stage_eval(answerers.get(stage), scores)
    with run.reading() as conn:
        tried, made_up = businesses_to_try(conn)
    through = all_in_a_row(tried, made_up, models, lambda share, what: run.report(0.6 + 0.35 * share, what))
    who = ", ".join(f"{stage}: {_shown(answerers.get(stage))}" for stage in STAGES)
    pipeline = StageEval(
        answered_by=who, model_id=None, rows=through.rows, figures=through.figures, verdicts=through.verdicts,
        passed=_passed(through.verdicts),
    )  # fmt: skip
    return Done(result=_reported(run, found, pipeline))


# --- who is asked about what ----------------------------------------------------------------------------------------


def _answerers(run: Run, params: EvalsParams) -> dict[Stage, _Answerer]:
    with run.reading() as conn:
        active = stages.answerers(conn)
        found = {
            stage: _Answerer(shown=who.version, model_id=who.id, provider=who.provider, name=who.provider_model)
            for stage in STAGES
            if (who := active.get(stage))
        }
        if params.model is None:
            return found
        if params.stage == ALL:
            raise InvalidInputError("a model answers for one stage", advice="name it with --stage")
        model = stages.find_model(conn, params.stage, params.model)
    if model:
        found[params.stage] = _Answerer(
            shown=model.version, model_id=model.id, provider=model.provider, name=model.provider_model
        )
    elif ids.prefix_of(params.model) == ids.MODEL:
        raise NotFoundError(f"there is no model {params.model} of {params.stage}", advice="run stages.finetune --live")
    else:
        found[params.stage] = _Answerer(shown=params.model, model_id=None, provider=None, name=params.model)
    return found


def _rows(run: Run, stage: Stage) -> list[Row]:
    """Return approved rows of businesses that no model was trained on, the latest first."""
    from shared.pipelines.stages.row_of_five import held_out

    with run.reading() as conn:
        groups = held_out(stages.groups_of(conn, stage))
        rows = stages.latest_of_groups(conn, stage, groups, policy().evals.max_rows)
    return [Row(id=row.id, group=row.group, split="test", input=row.input, label=row.label, at=row.at) for row in rows]


def _scored(run: Run, stage: Stage, model: "StageModel | RulesModel", judge: str | None, begun: float) -> Scores:
    """Score a stage's model on its rows; what a judge says of it stands among the figures."""
    from shared.pipelines.stages.judge import judged
    from shared.pipelines.stages.score import score

    rows = _rows(run, stage)
    run.report(begun, f"asking about {stage}", rows=len(rows))

    def watched() -> Iterator[Row]:
        for row in rows:
            run.report(begun, "asking")
            yield row

    if not rows:
        return Scores(per_row=(), metrics={})
    scores = score(model, watched())
    if judge is None:
        return scores
    rated = judged(judge, model, rows, run.job_id, lambda: run.report(begun, "asking the judge"))
    return replace(scores, metrics={**scores.metrics, **rated})


# --- what is reported -----------------------------------------------------------------------------------------------


def _stage_eval(who: _Answerer | None, scores: Scores) -> StageEval:
    verdicts = tuple(gates([Comparison(window="all", candidate=scores, active=None)]))
    return StageEval(
        answered_by=_shown(who), model_id=who.model_id if who else None, rows=len(scores.per_row),
        figures=scores.metrics, verdicts=verdicts, passed=_passed(verdicts),
    )  # fmt: skip


def _shown(who: _Answerer | None) -> str:
    return who.shown if who else RULES


def _passed(verdicts: Sequence[Verdict]) -> bool:
    return bool(verdicts) and all(verdict.outcome is Outcome.PASS for verdict in verdicts)


def _reported(run: Run, found: dict[Stage, StageEval], pipeline: StageEval) -> EvalsResult:
    from shared.pipelines.stages.evals_page import page

    at = ids.made_at(run.job_id)
    report = EvalsReport(
        at=at.isoformat(timespec="seconds"),
        job_id=run.job_id,
        passed=pipeline.passed and all(each.passed for each in found.values()),
        sentence=_sentence([*found.items(), (PIPELINE, pipeline)]),
        stages=found,
        pipeline=pipeline,
        thresholds=policy().evals.model_dump(mode="json"),
    )
    name = f"evals/report_{at:%Y%m%dT%H%M%SZ}"
    files = {
        f"{name}.json": canonical_json(report.model_dump(mode="json")) + b"\n",
        f"{name}.html": page(report),
    }
    return EvalsResult(
        passed=report.passed,
        sentence=report.sentence,
        stages=report.stages,
        pipeline=pipeline,
        files=publish_files(run.artifacts, files),
    )


def _sentence(found: Sequence[tuple[str, StageEval]]) -> str:
    against = [
        f"{name}: {verdict.sentence}"
        for name, each in found
        for verdict in each.verdicts
        if verdict.outcome is not Outcome.PASS
    ]
    return " ".join(against) or "Every stage that was evaluated, and the pipeline from end to end, is good enough."
