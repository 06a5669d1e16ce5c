"""The step ``train``: a dataset's training rows become a candidate model in the registry."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from psycopg import Connection
from pydantic import Field

from shared import ids, models
from shared.contracts import Contract, JsonObject, Split, Surface
from shared.datasets import Dataset, open_dataset
from shared.db import checkpoints
from shared.files import ResultFiles
from shared.loop.checkpoints import JobCheckpoints
from shared.loop.choice import DatasetId, dataset_of, require_surface
from shared.pipeline import Done, FineTune, Pipeline, Row, Run, Step, TrainingSummary
from shared.training import LongTraining

MODEL_KIND = "model"
_TRAINED: Final = 0.95  # of the step's progress


class TrainParams(Contract):
    """What to train on."""

    surface: Surface = Field(default="default", description="The part of the pipeline to train.")
    dataset_id: DatasetId | None = Field(default=None, description="The dataset. Empty: the surface's latest.")


class TrainResult(Contract):
    """The candidate. ``manifest`` is the model's hash: the same dataset gives the same one again.

    ``files`` are the model's own, where the pipeline hands them out.
    """

    model_id: str
    version: str
    dataset_id: str
    manifest: str
    metrics: JsonObject
    files: ResultFiles | None = None


@dataclass(frozen=True)
class _Rows:
    """The rows of one split; may be walked through as often as a trainer likes."""

    dataset: Dataset
    split: Split

    def __iter__(self) -> Iterator[Row]:
        return self.dataset.rows(self.split)


class OneTraining:
    """One attempt at a long training. Implements ``shared.training.Training``."""

    def __init__(self, run: Run, params: TrainParams, seed: int) -> None:
        self.run = run
        self.params = params
        self.surface = params.surface
        self.seed = seed
        self.checkpoints = JobCheckpoints(run)
        self.checkpoints.tidy()

    def report(self, fraction: float, message: str, **counters: float) -> None:
        """Tell progress (0 to 1); storing the model is the rest. Raises JobStopped."""
        self.run.report(fraction * _TRAINED, message, **counters)


def train_step(pipeline: Pipeline[Any, Any]) -> Step[TrainParams]:
    """Return a pipeline's step ``train``. No two trainings of a surface run together."""
    return Step(
        pipeline=pipeline.name,
        name="train",
        summary="Train a candidate on a frozen dataset.",
        queue=pipeline.train_queue,
        params=TrainParams,
        run=lambda run, params: train(pipeline, run, params),
        unique_key=lambda params: f"{pipeline.name}.train:{params.surface}",
    )


def train(pipeline: Pipeline[Any, Any], run: Run, params: TrainParams) -> Done:
    """Train on the rows of the split ``train``, store the model's files with their inputs, then record it.

    Raises InvalidInputError or NotFoundError for parameters that name nothing, and what the pipeline raises.
    """
    require_surface(pipeline, params.surface)
    with run.reading() as conn:
        dataset = dataset_of(conn, pipeline, params.surface, params.dataset_id)
    folder = run.workdir / "model"
    folder.mkdir()
    summary = _trained(pipeline, run, params, open_dataset(run.artifacts, dataset.manifest), folder)
    libraries = library_versions(pipeline)
    # Only what decides the bytes: a name or a time in here would change the hash of the same model
    facts: JsonObject = {
        "pipeline": pipeline.name,
        "surface": params.surface,
        "dataset_id": dataset.id,
        "parameters": summary.parameters,
        "libraries": libraries,
    }
    manifest = run.artifacts.put_folder(MODEL_KIND, folder, facts)
    run.report(0.98, "stored the model")
    draft = TrainResult(
        model_id=ids.new_id(ids.MODEL), version="", dataset_id=dataset.id, manifest=manifest, metrics=summary.metrics
    )

    def record(conn: Connection) -> TrainResult:
        checkpoints.drop(conn, run.job_id)
        model = models.register(
            conn, model_id=draft.model_id, pipeline=pipeline.name, surface=params.surface, manifest=manifest,
            dataset_id=dataset.id, job_id=run.job_id, parameters=summary.parameters, libraries=libraries,
            metrics={"train": {"rows": dataset.split_counts.get("train"), "candidate": summary.metrics}},
        )  # fmt: skip
        return draft.model_copy(update={"version": model.version})

    return Done(result=draft, record=record)


def _trained(
    pipeline: Pipeline[Any, Any], run: Run, params: TrainParams, dataset: Dataset, folder: Path
) -> TrainingSummary:
    rows = _Rows(dataset, "train")
    if isinstance(pipeline.train, FineTune):
        raise TypeError(f"{pipeline.name} is trained by a provider: see loop/finetune.py")
    if isinstance(pipeline.train, LongTraining):
        return pipeline.train.train(rows, folder, OneTraining(run, params, dataset.facts.seed))
    return pipeline.train(rows, folder, lambda fraction, message: run.report(fraction * _TRAINED, message))


def library_versions(pipeline: Pipeline[Any, Any]) -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide what training gives."""
    return {"python": platform.python_version()} | {name: version(name) for name in pipeline.library_versions}
