"""Which model, dataset and surface a step's parameters mean."""

from typing import Annotated, Any, Final

from psycopg import Connection
from pydantic import Field

from shared import ids, models
from shared.contracts import ModelState
from shared.db import datasets
from shared.db.datasets import DatasetRecord
from shared.errors import InvalidInputError, NotFoundError
from shared.models import Model
from shared.pipeline import FineTune, Pipeline

ModelId = Annotated[str, Field(pattern=r"^mdl_[0-9a-f]{32}$")]
# An id, a version, or the provider's own name of the model.
ModelName = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,200}$")]
DATASET_PATTERN: Final = r"^ds_[0-9a-f]{32}$"
DatasetId = Annotated[str, Field(pattern=DATASET_PATTERN)]
EvaluationId = Annotated[str, Field(pattern=r"^eval_[0-9a-f]{32}$")]
AcceptSunset = Annotated[
    bool, Field(description="Even if the provider ends the model within weeks; the history then says so.")
]
# Kept in the history for good. PostgreSQL's text holds no NUL.
Reason = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]+$")]


def require_surface(pipeline: Pipeline[Any, Any], surface: str) -> None:
    """Raise InvalidInputError unless the pipeline has this surface."""
    if surface not in pipeline.surfaces:
        raise InvalidInputError(
            f"{pipeline.name} has no surface {surface}", advice=f"choose one of: {', '.join(pipeline.surfaces)}"
        )


def model_of(conn: Connection, pipeline: Pipeline[Any, Any], model_id: str, surface: str | None = None) -> Model:
    """Return a model of this pipeline, and of this surface if one is given.

    Raises NotFoundError, or InvalidInputError when it belongs elsewhere.
    """
    model = models.get(conn, model_id)
    if model.pipeline != pipeline.name or (surface is not None and model.surface != surface):
        raise InvalidInputError(f"model {model_id} belongs to {model.pipeline}, surface {model.surface}")
    return model


def model_named(conn: Connection, pipeline: Pipeline[Any, Any], name: str, surface: str) -> Model:
    """Return a model of this surface by its id, its version, or the name that its provider gave it.

    Raises NotFoundError, or InvalidInputError when the id belongs elsewhere.
    """
    if ids.prefix_of(name) == ids.MODEL:
        return model_of(conn, pipeline, name, surface)
    found = models.find(conn, pipeline.name, surface, name)
    if found is None:
        raise NotFoundError(
            f"{pipeline.name} has no model {name} for {surface}", advice="list models with GET /v1/models"
        )
    return found


def latest_candidate(conn: Connection, pipeline: Pipeline[Any, Any], surface: str) -> Model:
    """Return the candidate that was trained last. Raises NotFoundError."""
    found = models.list_models(conn, pipeline=pipeline.name, surface=surface, state=ModelState.CANDIDATE.value, limit=1)
    if not found:
        train = "finetune --live" if isinstance(pipeline.train, FineTune) else "train"
        raise NotFoundError(
            f"{pipeline.name} has no candidate for {surface}", advice=f"run {pipeline.name}.{train} first"
        )
    return found[0]


def dataset_of(conn: Connection, pipeline: Pipeline[Any, Any], surface: str, dataset_id: str | None) -> DatasetRecord:
    """Return the dataset with this id, or the latest one of the surface.

    Raises NotFoundError, or InvalidInputError when it belongs to another pipeline or surface.
    """
    if dataset_id is None:
        return datasets.latest(conn, pipeline.name, surface)
    dataset = datasets.get(conn, dataset_id)
    if (dataset.pipeline, dataset.surface) != (pipeline.name, surface):
        raise InvalidInputError(f"dataset {dataset_id} belongs to {dataset.pipeline}, surface {dataset.surface}")
    return dataset
