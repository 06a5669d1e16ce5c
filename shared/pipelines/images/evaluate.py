"""The step ``evaluate``: a registry's candidate on its frozen test split, or a checkpoint on a manifest (seed 003)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

from shared.contracts import Contract, JsonObject, Verdict
from shared.errors import InvalidInputError
from shared.files import ResultFiles, open_upload
from shared.gates import no_regression
from shared.pipeline import Comparison, Done, Row, Run, Scores
from shared.pipelines.images.checkpoint import BestFacts, Mirrored, read_best
from shared.pipelines.images.contracts import TargetType
from shared.pipelines.images.evaluate_files import evaluation_files
from shared.pipelines.images.gates import against_baseline
from shared.pipelines.images.model import ImageModel
from shared.pipelines.images.model_policy import ModelName, model_policy
from shared.pipelines.images.parity import scorer_of
from shared.pipelines.images.score import judged, score
from shared.pipelines.images.train import manifest_rows
from shared.training import Core, Serving

_BLOCK: Final = 1 << 20


class Evaluated(Contract):
    """A checkpoint on held-out pictures, beside the baseline scorer and the active model."""

    sentence: str
    target_type: TargetType
    model_name: ModelName
    rows: int
    webcams: int
    metrics: JsonObject
    active_version: str | None
    verdicts: tuple[Verdict, ...]
    files: ResultFiles


def evaluate_step(run: Run, params: Any, core: Core) -> Done:
    """Evaluate, and write the report. Raises InvalidInputError for a manifest without checkpoint, or the reverse."""
    if params.test_manifest is None and params.checkpoint is None:
        done = core(params)
        metrics = cast("dict[str, Any]", getattr(done.result, "metrics", {})).get("all", {})
        files = evaluation_files(run, params.surface, metrics, _verdicts(done))
        return Done(result=done.result.model_copy(update={"files": files}), record=done.record)
    if params.test_manifest is None or params.checkpoint is None:
        raise InvalidInputError(
            "one file is missing", advice="give both --test-manifest and --checkpoint, or neither of them"
        )
    return _checkpoint(run, params, core)


def _verdicts(done: Done) -> tuple[Verdict, ...]:
    return tuple(getattr(done.result, "verdicts", ()))


def _checkpoint(run: Run, params: Any, core: Core) -> Done:
    surface: TargetType = "binary" if params.surface == "binary" else "regression"
    facts, network = open_checkpoint(run, params.checkpoint, target_type=surface, model_name=params.model_name)
    rows = [row.as_row() for row in manifest_rows(run, params.test_manifest, surface)]
    _require_held_out(rows)
    run.report(0.2, f"scoring {len(rows):,} pictures", rows=len(rows))
    found = judged(surface, facts.preprocessing, scorer_of(network), iter(rows))
    active = core.active(surface)
    run.report(0.6, "scoring them with the active model" if active else "no model is active to compare with")
    beside = score(cast("ImageModel", active.model), iter(rows)) if active else None
    comparison = Comparison(window="all", candidate=found, active=beside)
    verdicts = (against_baseline(comparison), no_regression(comparison, model_policy().gate))
    metrics: JsonObject = {"candidate": found.metrics, "active": beside.metrics if beside else None}
    run.report(0.8, "writing the report")
    result = Evaluated(
        sentence=_sentence(surface, found, active),
        target_type=surface, model_name=facts.model_name, rows=len(rows), webcams=found.metrics["webcams"],
        metrics={name: value for name, value in found.metrics.items() if isinstance(value, float | int)},
        active_version=active.version if active else None, verdicts=verdicts,
        files=evaluation_files(run, surface, metrics, verdicts),
    )  # fmt: skip
    return Done(result=result)


def open_checkpoint(
    run: Run, upload: str, *, target_type: TargetType | None, model_name: ModelName | None
) -> tuple[BestFacts, Mirrored]:
    """Read a checkpoint that was sent, without running anything in it.

    Raises RefusedError or CorruptError for what is none, InvalidInputError for one of another network or target.
    """
    file = run.workdir / "checkpoint.pt"
    _copy(run, upload, file)
    facts, network = read_best(file)
    for word, asked, has in (
        ("target type", target_type, facts.surface),
        ("model name", model_name, facts.model_name),
    ):
        if asked not in {None, has}:
            raise InvalidInputError(
                f"the checkpoint's {word} is {has}, not {asked}", advice=f"give --{word.replace(' ', '-')} {has}"
            )
    return facts, network


def _require_held_out(rows: Sequence[Row]) -> None:
    """Refuse an empty manifest, and one with pictures that a checkpoint was trained on or chosen by."""
    seen = sum(row.split != "test" for row in rows)
    if seen or not rows:
        raise InvalidInputError(
            f"{seen:,} of the manifest's {len(rows):,} pictures are not of the split test" if rows
            else "the manifest is empty",
            advice="give manifest_test.csv of images.export-dataset",
        )  # fmt: skip


def _copy(run: Run, upload: str, file: Path) -> None:
    with open_upload(run, upload) as source, file.open("wb") as target:
        while block := source.read(_BLOCK):
            target.write(block)


def _sentence(surface: TargetType, found: Scores, active: Serving | None) -> str:
    main, unit = ("accuracy", "") if surface == "binary" else ("mae", " stars")
    value, base = found.metrics[main], found.metrics["baseline"][main]
    beside = f"; compared with the active {active.version}" if active else "; no model is active to compare with"
    return (
        f"On {found.metrics['rows']} pictures of {found.metrics['webcams']} webcams: {main} {value:.3f}{unit}, the"
        f" baseline scorer {base:.3f}{unit}{beside}."
    )
