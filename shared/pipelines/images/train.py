"""The step ``train``: on the surface's frozen dataset, which makes a candidate, or on manifests, which makes files."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from shared.contracts import Contract, JsonObject
from shared.errors import InvalidInputError
from shared.files import ResultFiles, open_upload, publish_files
from shared.pipeline import Done, Row, Run, TrainingSummary
from shared.pipelines.images.contracts import TargetType
from shared.pipelines.images.manifest import ManifestRow, read_manifest
from shared.pipelines.images.policy import policy
from shared.pipelines.images.splits import validation
from shared.pipelines.images.training import Pictures, train_pictures
from shared.training import Core, Training

FOLDER: Final = "ml"
PLACE: Final = "artifacts/models"
"""Below ``ml``: as in the seed."""


class TrainedFiles(Contract):
    """What training on manifests has made. It is no candidate: no frozen dataset says what it was trained on."""

    sentence: str
    target_type: TargetType
    parameters: JsonObject
    metrics: JsonObject
    files: ResultFiles


def train(rows: Iterable[Row], folder: Path, training: Training) -> TrainingSummary:
    """Train on a frozen dataset; of its webcams that are not held out, some are for validation."""
    surface = _surface(training.surface)
    kept = list(rows)
    return train_pictures(
        Pictures.of((row for row in kept if not validation(row.group, training.seed)), surface),
        Pictures.of((row for row in kept if validation(row.group, training.seed)), surface),
        folder,
        training,
    )


def train_step(run: Run, params: Any, core: Core) -> Done:
    """Train, and hand out the model's files. Raises InvalidInputError for one manifest without the other."""
    if params.train_manifest is None and params.val_manifest is None:
        return _with_files(run, core(params))
    if params.train_manifest is None or params.val_manifest is None:
        raise InvalidInputError("one manifest is missing", advice="give both --train-manifest and --val-manifest")
    surface = _surface(params.surface)
    learnt, held = (list(manifest_rows(run, file, surface)) for file in (params.train_manifest, params.val_manifest))
    _require_apart(learnt, held)
    folder = run.workdir / "model"
    folder.mkdir()
    training = core.training(params, policy().seed)
    summary = train_pictures(
        Pictures.of((row.as_row() for row in learnt), surface), Pictures.of((row.as_row() for row in held), surface),
        folder, training,
    )  # fmt: skip
    result = TrainedFiles(
        sentence=f"Trained {summary.parameters['model_name']} on {len(learnt)} pictures, validated on {len(held)}. The"
        " files are yours; for a candidate that can be promoted, train without manifests (or images.retrain).",
        target_type=surface, parameters=summary.parameters, metrics=summary.metrics, files=_files(run),
    )  # fmt: skip
    return Done(result=result)


def manifest_rows(run: Run, upload: str, surface: TargetType) -> Iterator[ManifestRow]:
    """Read a manifest that was sent. Raises InvalidInputError for a bad one, or one of another target type."""
    with open_upload(run, upload) as file:
        yield from read_manifest(file, surface)


def _require_apart(learnt: list[ManifestRow], held: list[ManifestRow]) -> None:
    """Refuse manifests from which the answers of held-out pictures could be learned."""
    both = {row.webcam for row in learnt} & {row.webcam for row in held}
    if both:
        raise InvalidInputError(
            f"{len(both)} webcams are in both manifests: validation would be of frames that are known",
            advice="give manifest_train.csv and manifest_val.csv of the same export",
        )
    if any(row.split == "test" for row in (*learnt, *held)):
        raise InvalidInputError(
            "a manifest has pictures of the split test, which is never trained on",
            advice="give manifest_train.csv and manifest_val.csv",
        )


def _with_files(run: Run, done: Done) -> Done:
    """Add the files of the model that the loop has made to its result."""
    files = {"files": _files(run)}
    record = done.record

    def recorded(conn: Any) -> BaseModel | None:
        result = record(conn) if record else None
        return result.model_copy(update=files) if result else None

    return Done(result=done.result.model_copy(update=files), record=recorded)


def _files(run: Run) -> ResultFiles:
    made = sorted((run.workdir / "model").iterdir())
    return publish_files(run.artifacts, {f"{PLACE}/{file.name}": file for file in made}, folder=FOLDER)


def _surface(name: str) -> TargetType:
    return "binary" if name == "binary" else "regression"
