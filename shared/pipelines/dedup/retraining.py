"""Training anew: by a person's word (``fine-tune-model``), and by the week where enough was decided (``retrain-due``).

ready → freeze → finetune → evaluate, and by the week also → promote, if more held-out answers are right than before.
What follows what is decided purely.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts import Contract, JsonObject, Verdict
from shared.db import dedup
from shared.errors import TuneyardError
from shared.llm.engines import base_models
from shared.llm.tuned import completions_of
from shared.pipeline import Done, Next, Run, StepDone
from shared.pipelines.dedup.contracts import NAME
from shared.pipelines.dedup.policy import policy
from shared.pipelines.dedup.training import require_labels

READY: Final = "ready"
BaseModelName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]


class _Asked(BaseModel):
    """Parameters of one of the loop's steps, which a pipeline does not know by type; the step checks them itself."""

    model_config = ConfigDict(extra="allow", frozen=True)


# --- is there enough? -----------------------------------------------------------------------------------------------


class ReadyParams(Contract):
    """What shall be trained, and how much must be new for it."""

    base_model: BaseModelName | None = Field(
        default=None, description="The base model. Our own trainer takes its own in the place of one it does not have."
    )
    new_decisions: int = Field(default=0, ge=0, description="Pairs that must have been decided since the last freeze.")


class ReadyResult(Contract):
    """Whether to train, on which base model (None: the pipeline's own), and whether that may be for real."""

    ready: bool
    sentence: str
    new: int
    base_model: str | None
    live: bool


def ready(run: Run, params: ReadyParams) -> Done:
    """Look at what people have decided.

    Too little of it is a result where the week asks, and an error where a person does (``new_decisions`` 0): raises
    RefusedError or ConflictError then.
    """
    with run.reading() as conn:
        new = dedup.new_pairs(conn)
        lacking = _lacking(conn, new, params)
    is_local = _is_local()
    known = {model.name for model in base_models()}
    base_model = None if is_local and params.base_model not in known else params.base_model
    live = policy().retrain.live == "always" or (policy().retrain.live == "ours" and is_local)
    sentence = lacking or f"{new} pairs were decided since the last freeze: enough to train on."
    result = ReadyResult(ready=not lacking, sentence=sentence, new=new, base_model=base_model, live=live)
    return Done(result=result)


def _lacking(conn: Any, new: int, params: ReadyParams) -> str:
    try:
        require_labels(conn)
    except TuneyardError as error:
        if not params.new_decisions:
            raise
        return f"Not trained: {error.message}."
    if new < params.new_decisions:
        return f"Not trained: {new} pairs were decided since the last freeze, and {params.new_decisions} start it."
    return ""


def _is_local() -> bool:
    try:
        return completions_of(None).provider.is_local
    except TuneyardError:  # there is none: the fine-tune will say so
        return False


# --- by a person's word ---------------------------------------------------------------------------------------------


class FineTuneModelParams(Contract):
    """What a person wants to be trained."""

    base_model: BaseModelName | None = Field(
        default=None,
        description="The base model. Empty: the pipeline's own, or `local-nearest` for our own trainer.",
        examples=["gpt-4o-mini-2024-07-18"],
    )


class FineTuneModelResult(Contract):
    """The candidate that was trained, and what held-out pairs say of it."""

    sentence: str
    dataset_id: str
    model_id: str
    version: str
    fine_tuned_model: str | None
    evaluation_id: str
    passed: bool
    verdicts: tuple[Verdict, ...]


def fine_tune_model(params: FineTuneModelParams, done: Sequence[StepDone]) -> Next | Done:
    """Decide what follows: look, freeze, fine-tune for real, evaluate. A person activates the model then."""
    results = _results(done)
    if "evaluate" not in results:
        return _next(results, ReadyParams(base_model=params.base_model), live=True)
    tuned, evaluated = results["finetune"], results["evaluate"]
    result = FineTuneModelResult(
        sentence=f"{tuned['sentence']} {evaluated['sentence']}",
        dataset_id=tuned["dataset_id"],
        model_id=tuned["model_id"],
        version=tuned["version"],
        fine_tuned_model=tuned["fine_tuned_model"],
        evaluation_id=evaluated["evaluation_id"],
        passed=evaluated["passed"],
        verdicts=evaluated["verdicts"],
    )
    return Done(result=result)


# --- by the week ----------------------------------------------------------------------------------------------------


class RetrainDueParams(Contract):
    """How much must be new."""

    new_decisions: int | None = Field(
        default=None, ge=1, description="Newly decided pairs that start it. Empty: as the policy says."
    )


class RetrainDueResult(Contract):
    """What came of it. Not promoted: the sentence says why."""

    promoted: bool
    sentence: str
    dataset_id: str | None = None
    model_id: str | None = None
    version: str = ""
    evaluation_id: str | None = None
    promotion_id: str | None = None


def retrain_due(params: RetrainDueParams, done: Sequence[StepDone]) -> Next | Done:
    """Decide what follows: as for a person, and then a promotion if the candidate is better than the active model."""
    results = _results(done)
    looked = results.get(READY)
    if looked and not looked["ready"]:
        return _ended(results, looked["sentence"])
    tuned = results.get("finetune")
    if tuned and tuned["model_id"] is None:
        return _ended(results, tuned["sentence"])
    if "evaluate" not in results:
        least = params.new_decisions or policy().retrain.new_decisions
        return _next(results, ReadyParams(new_decisions=least), live=bool(looked and looked["live"]))
    evaluated = results["evaluate"]
    if "promote" in results:
        return _ended(results, results["promote"]["sentence"])
    better, sentence = _improved(evaluated["metrics"])
    if not better:
        return _ended(results, sentence)
    asked = {"surface": "default", "model_id": evaluated["model_id"], "evaluation_id": evaluated["evaluation_id"]}
    return Next(kind=f"{NAME}.promote", params=_Asked.model_validate(asked))


def _improved(metrics: JsonObject) -> tuple[bool, str]:
    figures = metrics["all"]
    mine, active = figures["candidate"].get("accuracy"), figures["active"]
    theirs = active.get("accuracy") if active else None
    if active is None or (mine is not None and theirs is not None and mine > theirs):
        return True, ""
    return False, f"Not promoted: {mine} of its held-out answers are right, and {theirs} of the active model's."


def _ended(results: dict[str, JsonObject], sentence: str) -> Done:
    tuned, promoted = results.get("finetune", {}), results.get("promote", {})
    result = RetrainDueResult(
        promoted=bool(promoted.get("promoted")),
        sentence=sentence,
        dataset_id=results.get("freeze", {}).get("dataset_id"),
        model_id=tuned.get("model_id"),
        version=tuned.get("version", ""),
        evaluation_id=results.get("evaluate", {}).get("evaluation_id"),
        promotion_id=promoted.get("promotion_id"),
    )
    return Done(result=result)


# --- both -----------------------------------------------------------------------------------------------------------


def _next(results: dict[str, JsonObject], asked: ReadyParams, *, live: bool) -> Next:
    if READY not in results:
        return Next(kind=f"{NAME}.{READY}", params=asked)
    if "freeze" not in results:
        return Next(kind=f"{NAME}.freeze", params=_Asked.model_validate({"surface": "default"}))
    if "finetune" not in results:
        wish = {
            "surface": "default", "dataset_id": results["freeze"]["dataset_id"], "live": live,
            "base_model": results[READY]["base_model"],
        }  # fmt: skip
        return Next(kind=f"{NAME}.finetune", params=_Asked.model_validate(wish))
    tuned = results["finetune"]
    wish = {"surface": "default", "model_id": tuned["model_id"], "dataset_id": tuned["dataset_id"]}
    return Next(kind=f"{NAME}.evaluate", params=_Asked.model_validate(wish))


def _results(done: Sequence[StepDone]) -> dict[str, JsonObject]:
    return {step.kind.removeprefix(f"{NAME}."): step.result for step in done}
