"""What a ship says at its end: what was done, what was blocked and why, for one stage or for all."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

from shared.contracts import Contract, JsonObject, Verdict
from shared.pipeline import StepDone

Ended = Literal["promoted", "dry-run", "blocked"]

_WORDS: Final[dict[Ended, str]] = {"promoted": "promoted", "dry-run": "ready (dry run)", "blocked": "blocked"}


class ShippedStep(Contract):
    """One step that was done, and its job: its files are those of ``tuneyard jobs files JOB``."""

    step: str
    job_id: str
    sentence: str


class StageSummary(Contract):
    """What became of one stage. ``blocked_at`` is the step that said no; the sentence says why, and what would help."""

    stage: str
    ended: Ended
    sentence: str
    blocked_at: str | None = None
    steps: tuple[ShippedStep, ...]
    dataset_id: str | None = None
    rows: int = 0
    model_id: str | None = None
    version: str = ""
    promotion_id: str | None = None
    cost_usd: float | None = None
    verdicts: tuple[Verdict, ...] = ()


class ShipResult(Contract):
    """What became of the stage that was shipped, or of all five."""

    dry_run: bool
    sentence: str
    stages: tuple[StageSummary, ...]


def stage_summary(
    stage: str, ended: Ended, sentence: str, done: Sequence[StepDone], verdicts: Sequence[JsonObject] = ()
) -> StageSummary:
    """Sum up one stage from the steps that were done."""
    results = {name_of(step): step.result for step in done}
    frozen, tuned = results.get("freeze", {}), results.get("finetune", {})
    return StageSummary(
        stage=stage,
        ended=ended,
        sentence=sentence,
        blocked_at=name_of(done[-1]) if ended == "blocked" else None,
        steps=tuple(ShippedStep(step=name_of(step), job_id=step.job_id, sentence=_sentence(step)) for step in done),
        dataset_id=frozen.get("dataset_id"),
        rows=frozen.get("rows", 0),
        model_id=tuned.get("model_id"),
        version=tuned.get("version", ""),
        promotion_id=results.get("promote", {}).get("promotion_id"),
        cost_usd=tuned.get("cost_usd"),
        verdicts=tuple(Verdict.model_validate(verdict) for verdict in verdicts),
    )


def ship_result(stages: Sequence[StageSummary], *, live: bool) -> ShipResult:
    """Sum up all stages that were shipped."""
    if len(stages) == 1:
        sentence = f"{stages[0].stage}: {stages[0].sentence}"
    else:
        counts = Counter(stage.ended for stage in stages)
        told = ", ".join(f"{counts[ended]} {word}" for ended, word in _WORDS.items() if counts[ended])
        why = " ".join(f"{stage.stage}: {stage.sentence}" for stage in stages)
        sentence = f"{len(stages)} stages: {told}. {why}" if stages else "No stage was shipped."
    return ShipResult(dry_run=not live, sentence=sentence, stages=tuple(stages))


def name_of(step: StepDone) -> str:
    """Return a step's name without its pipeline."""
    return step.kind.partition(".")[2]


def _sentence(step: StepDone) -> str:
    """Return what a step says of itself."""
    result = step.result
    if name_of(step) == "freeze":
        splits = result["splits"]
        return f"{result['rows']:,} rows are frozen as {result['dataset_id']}: {splits['train']:,} to train on."
    return str(result.get("sentence", ""))
