"""The flow ``finetune-v2``: train with the approved negatives, and promote what breaks rules less often than before.

freeze → export-jsonl → finetune → evaluate → smoke tests of both models on all held-out snapshots → promote. Evaluating
asks the gates, so nothing that was good on people's conclusions may be lost; the smoke tests ask whether offenders have
become fewer, on snapshots that neither model was trained on, whoever labelled them or nobody.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts import Contract, JsonObject, Outcome, Verdict
from shared.infer import ModelName
from shared.pipeline import Done, Next, StepDone
from shared.pipelines.gold.asking import SmokeTestParams
from shared.pipelines.gold.contracts import NAME
from shared.pipelines.gold.exporting import ExportJsonlParams
from shared.pipelines.gold.gates import fewer_offenders
from shared.pipelines.gold.policy import policy
from shared.pipelines.gold.smoke import SmokeFigures


class FinetuneV2Params(Contract):
    """Whether it may cost money, and what to train on top of."""

    live: bool = Field(default=False, description="Ask the provider. Without it nothing is sent: files only.")
    base_model: ModelName | None = Field(
        default=None, description="The base model. Empty: gold's own, or `local-nearest` where our own trainer trains."
    )
    suffix: str = Field(
        default="gold-v2", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="What the model's name ends with."
    )
    accept_sunset: bool = Field(
        default=False, description="Even if the provider ends the model within weeks; the history then says so."
    )


class FinetuneV2Result(Contract):
    """What came of it. ``before`` and ``after`` count the offenders of the active model and of the new one."""

    promoted: bool
    sentence: str
    dataset_id: str
    negatives: int
    model_id: str | None = None
    version: str = ""
    active_id: str | None = None
    promotion_id: str | None = None
    before: SmokeFigures | None = None
    after: SmokeFigures | None = None
    metrics: JsonObject = Field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()


class _Asked(BaseModel):
    """Parameters of one of the loop's steps, which a pipeline does not know by type; the step checks them itself."""

    model_config = ConfigDict(extra="allow", frozen=True)

    surface: str = "default"


def _asked(**params: Any) -> _Asked:
    return _Asked.model_validate(params)


def second_flow(params: FinetuneV2Params, done: Sequence[StepDone]) -> Next | Done:
    """Decide what follows the steps done so far."""
    results = {step.kind.removeprefix(f"{NAME}."): step.result for step in done}
    if "export-jsonl" not in results:
        return _frozen(results)
    if not results["export-jsonl"]["negatives"]:
        why = "No approved correction is in the training set: run gold.gen-negatives, then gold.approve-negatives."
        return _ended(results, promoted=False, sentence=why)
    if "finetune" not in results:
        return Next(kind=f"{NAME}.finetune", params=_wish(params, results))
    if results["finetune"]["dry_run"]:
        return _ended(results, promoted=False, sentence=results["finetune"]["sentence"])
    if "evaluate" not in results:
        trained = {name: results["finetune"][name] for name in ("model_id", "dataset_id")}
        return Next(kind=f"{NAME}.evaluate", params=_asked(**trained))
    return _after_evaluation(params, results, [s.result for s in done if s.kind == f"{NAME}.smoke-test"])


def _frozen(results: dict[str, JsonObject]) -> Next:
    if "freeze" not in results:
        return Next(kind=f"{NAME}.freeze", params=_asked())
    return Next(kind=f"{NAME}.export-jsonl", params=ExportJsonlParams(dataset_id=results["freeze"]["dataset_id"]))


def _wish(params: FinetuneV2Params, results: dict[str, JsonObject]) -> _Asked:
    return _asked(
        dataset_id=results["freeze"]["dataset_id"], live=params.live, base_model=params.base_model, suffix=params.suffix
    )


def _after_evaluation(
    params: FinetuneV2Params, results: dict[str, JsonObject], smoked: Sequence[JsonObject]
) -> Next | Done:
    found = results["evaluate"]
    to_smoke = [found["model_id"], *([found["active_id"]] if found["active_id"] else [])]
    if len(smoked) < len(to_smoke):
        # both on the same snapshots: those held out from the new one, however the old one was trained
        each = SmokeTestParams(model=to_smoke[len(smoked)], only="held-out", seed=policy().seed)
        return Next(kind=f"{NAME}.smoke-test", params=each)
    after, *others = [SmokeFigures.model_validate(result["held_out"]) for result in smoked]
    before = others[0] if others else None
    verdict = fewer_offenders(_counts(after), _counts(before) if before else None)
    if verdict.outcome is not Outcome.PASS:
        sentence = f"{NAME} {results['finetune']['version']} was not promoted: {verdict.sentence}"
        return _ended(results, promoted=False, sentence=sentence, before=before, after=after, verdict=verdict)
    if "promote" not in results:
        evidence = {name: found[name] for name in ("model_id", "evaluation_id")}
        return Next(kind=f"{NAME}.promote", params=_asked(**evidence, accept_sunset=params.accept_sunset))
    promoted = results["promote"]
    return _ended(
        results, promoted=promoted["promoted"], sentence=promoted["sentence"], before=before, after=after,
        verdict=verdict,
    )  # fmt: skip


def _counts(figures: SmokeFigures) -> tuple[int, int]:
    return figures.offenders, figures.rows


def _ended(
    results: dict[str, JsonObject],
    *,
    promoted: bool,
    sentence: str,
    before: SmokeFigures | None = None,
    after: SmokeFigures | None = None,
    verdict: Verdict | None = None,
) -> Done:
    trained, found = results.get("finetune", {}), results.get("evaluate", {})
    result = FinetuneV2Result(
        promoted=promoted,
        sentence=sentence,
        dataset_id=results["freeze"]["dataset_id"],
        negatives=results["export-jsonl"]["negatives"],
        model_id=trained.get("model_id"),
        version=trained.get("version", ""),
        active_id=found.get("active_id"),
        promotion_id=results.get("promote", {}).get("promotion_id"),
        before=before,
        after=after,
        metrics=found.get("metrics", {}),
        verdicts=(
            *(Verdict.model_validate(each) for each in found.get("verdicts", ())),
            *((verdict,) if verdict else ()),
        ),
    )
    return Done(result=result)
