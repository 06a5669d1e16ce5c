"""The flow ``ship``: from approved rows to a promoted model, for one stage or for all, as one job.

build-datasets → diversity → freeze → finetune → evaluate → evals → promote. What follows what is decided purely from
the steps done so far, so whoever is killed or fails goes on at the step where it stopped. A "no" is a result.
"""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts import Contract, JsonObject, Live
from shared.pipeline import Done, Next, StepDone
from shared.pipelines.stages.checking import DiversityParams, LiveMinRows, MaxHomogeneityShare
from shared.pipelines.stages.datasets import BuildDatasetsParams
from shared.pipelines.stages.evals import EvalsParams
from shared.pipelines.stages.policy import policy
from shared.pipelines.stages.summary import ShipResult, StageSummary, name_of, ship_result, stage_summary
from shared.pipelines.stages.versions import ALL, NAME, STAGES, Stage, StageOrAll


class ShipParams(Contract):
    """Which stages to ship, and whether it may cost money."""

    stage: StageOrAll = Field(default="all", description="The stage, or `all`: one after the other.")
    live: Live = False
    days: int = Field(default=policy().ship.days, ge=1, le=3_650, description="Rows approved in so many days.")
    live_min_rows: LiveMinRows = policy().live.min_rows
    max_homogeneity_share: MaxHomogeneityShare = policy().live.max_homogeneity_share
    base_model: str | None = Field(
        default=None,
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="The base model. Empty: the pipeline's own, or `local-nearest` for our own trainer.",
    )
    suffix: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="What the model's name ends with. Empty: the pipeline's own.",
    )
    accept_sunset: bool = Field(
        default=False, description="Even if the provider ends the model within weeks; the history then says so."
    )


class _Asked(BaseModel):
    """Parameters of one of the loop's steps, which a pipeline does not know by type; the step checks them itself."""

    model_config = ConfigDict(extra="allow", frozen=True)

    surface: str


def ship(params: ShipParams, done: Sequence[StepDone]) -> Next | Done:
    """Decide what follows the steps done so far: of one stage its next step, of all the next stage."""
    if params.stage == ALL:
        if len(done) < len(STAGES):
            return Next(kind=f"{NAME}.ship", params=params.model_copy(update={"stage": STAGES[len(done)]}))
        return Done(result=ship_result(summaries(done), live=params.live))
    return _stage(params, params.stage, done)


def summaries(done: Sequence[StepDone]) -> list[StageSummary]:
    """Return what each of these ships says of its stages."""
    return [stage for step in done for stage in ShipResult.model_validate(step.result).stages]


def _stage(params: ShipParams, stage: Stage, done: Sequence[StepDone]) -> Next | Done:
    results = {name_of(step): step.result for step in done}
    if "finetune" not in results:
        return _before_training(params, stage, done, results)
    tuned = results["finetune"]
    if tuned["model_id"] is None:
        return _ended(params, "dry-run", tuned["sentence"], done)
    if "evaluate" not in results:
        return _next("evaluate", stage, model_id=tuned["model_id"], dataset_id=tuned["dataset_id"])
    return _after_evaluation(params, stage, done, results)


def _after_evaluation(
    params: ShipParams, stage: Stage, done: Sequence[StepDone], results: dict[str, JsonObject]
) -> Next | Done:
    found = results["evaluate"]
    if "evals" not in results:
        return Next(kind=f"{NAME}.evals", params=EvalsParams(stage=stage, model=found["model_id"]))
    if "promote" not in results:
        asked = {name: found[name] for name in ("model_id", "evaluation_id")}
        return _next("promote", stage, **asked, accept_sunset=params.accept_sunset)
    promoted = results["promote"]
    verdicts = promoted["verdicts"] or found["verdicts"]
    if promoted["promoted"]:
        return _ended(params, "promoted", promoted["sentence"], done, verdicts)
    look = f"{promoted['sentence']} {promoted['advice']}. The evals are in {_report_of(results['evals'])}."
    return _ended(params, "blocked", look, done, verdicts)


def _report_of(evals: JsonObject) -> str:
    return next((name for name in evals["files"]["sizes"] if name.endswith(".json")), "the step's files")


def _before_training(
    params: ShipParams, stage: Stage, done: Sequence[StepDone], results: dict[str, JsonObject]
) -> Next | Done:
    if "build-datasets" not in results:
        rows = BuildDatasetsParams(stage=(stage,), days=params.days, empty_ok=True)
        return Next(kind=f"{NAME}.build-datasets", params=rows)
    if "diversity" not in results:
        return Next(kind=f"{NAME}.diversity", params=_diversity(params, stage))
    if not results["diversity"]["passed"]:
        checked = results["diversity"]
        return _ended(params, "blocked", checked["sentence"], done, checked["verdicts"])
    if "freeze" not in results:
        return _next("freeze", stage, days=params.days)
    wanted = {"dataset_id": results["freeze"]["dataset_id"], "base_model": params.base_model, "suffix": params.suffix}
    return _next("finetune", stage, **wanted, live=params.live)


def _diversity(params: ShipParams, stage: Stage) -> DiversityParams:
    return DiversityParams(
        stage=stage, days=params.days, live=params.live, live_min_rows=params.live_min_rows,
        max_homogeneity_share=params.max_homogeneity_share,
    )  # fmt: skip


def _next(step: str, stage: Stage, **params: Any) -> Next:
    return Next(kind=f"{NAME}.{step}", params=_Asked(surface=stage, **params))


def _ended(
    params: ShipParams,
    ended: Literal["promoted", "dry-run", "blocked"],
    sentence: str,
    done: Sequence[StepDone],
    verdicts: Sequence[JsonObject] = (),
) -> Done:
    summary = stage_summary(params.stage, ended, sentence, done, verdicts)
    return Done(result=ship_result([summary], live=params.live))
