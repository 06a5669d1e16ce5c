"""The paths of seed 002 around models: fine-tune, watch, list, activate. Names and shapes are the seed's."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import anyio.to_thread
from fastapi import APIRouter, Query
from psycopg import Connection
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response

from api.deps import FrontDep, Promotes, Reader, Submits
from api.insights import (
    FINE_TUNE_PATH,
    Watched,
    created_message,
    decided,
    ended_or_none,
    fine_tune_begun,
    status_view,
    submitted,
)
from api.wire import json_response
from shared.contracts import Contract, JsonObject
from shared.db import dedup
from shared.errors import NotFoundError
from shared.pipelines.dedup.auto import auto_verdict
from shared.pipelines.dedup.thresholds import thresholds
from shared.pipelines.dedup.training import require_labels

router = APIRouter(prefix="/api/admin/insights", tags=["dedup"])

_FIGURES: Final = ("rows", "accuracy", "precision", "recall", "f1", "auc", "false_merges", "misses", "at_auto_merge")


class _Camel(Contract):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, protected_namespaces=())


# --- fine-tune ------------------------------------------------------------------------------------------------------


class FineTuneWish(_Camel):
    """What to train."""

    base_model: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The base model. Our own trainer takes its own in the place of one that it does not have.",
        examples=["gpt-4o-mini-2024-07-18"],
    )


class TrainingDataStats(Contract):
    """The clusters that people have decided, by what they said of them."""

    approved_merges: int = Field(examples=[45])
    rejected_clusters: int = Field(examples=[32])
    partial_merges: int = Field(examples=[12])


class FineTuneCreated(_Camel):
    """The provider's job is made. ``modelVersion`` is the number that its model will have."""

    success: bool = True
    fine_tune_job_id: str = Field(examples=["ftjob-abc123"])
    training_file_id: str | None = Field(examples=["file-xyz789"])
    model_version: int = Field(examples=[1])
    training_data_stats: TrainingDataStats
    message: str
    job_id: str = Field(description="The job that drives it: follow it at /v1/jobs.")


class FineTuneStatus(_Camel):
    """How far a fine-tune is. ``succeeded``: its model is in the registry and can be activated."""

    success: bool
    job_id: str
    status: Literal["validating_files", "queued", "running", "succeeded", "failed"]
    base_model: str | None = None
    training_file_id: str | None = None
    fine_tuned_model: str | None = None
    model_id: str | None = None
    model_version: int | None = None
    trained_tokens: int | None = None
    error: JsonObject | None = Field(default=None, description="Why it failed, and what to do.")
    created_at: datetime | None = None
    finished_at: datetime | None = None


@router.post(
    "/fine-tune-model",
    summary="Fine-tune a model on what people decided",
    response_model=FineTuneCreated,
    responses={202: {"description": "The provider has not answered yet: ask again with the `jobId`."}},
)
async def fine_tune_model(body: FineTuneWish, request: Request, who: Submits, front: FrontDep) -> Response:
    """Freeze the labelled pairs, fine-tune a candidate on them and evaluate it: one job, which goes on by itself.

    Answers as soon as the provider has made its job, and 202 when that takes longer. Raises as ``require_labels``.
    """
    counts = await anyio.to_thread.run_sync(front.database.read, require_labels)
    job_id = await submitted(request, front, who, "dedup.fine-tune-model", {"base_model": body.base_model})
    watched = await fine_tune_begun(front, job_id)
    stats = TrainingDataStats(
        approved_merges=counts.approved, rejected_clusters=counts.rejected, partial_merges=counts.partial
    )
    begun = watched.fine_tune
    if begun is None or begun.provider_job_id is None:
        waiting = {
            "success": True,
            "jobId": job_id,
            "status": "validating_files",
            "trainingDataStats": stats.model_dump(),
            "message": f"The training file is being prepared. Ask again: {FINE_TUNE_PATH}?jobId={job_id}",
        }
        return json_response(waiting, HTTPStatus.ACCEPTED, {"Location": f"/v1/jobs/{job_id}"})
    created = FineTuneCreated(
        fine_tune_job_id=begun.provider_job_id,
        training_file_id=begun.file_id,
        model_version=begun.version or watched.next_version,
        training_data_stats=stats,
        message=created_message(begun, str(request.base_url)),
        job_id=job_id,
    )
    return json_response(created.model_dump(by_alias=True))


@router.get("/fine-tune-model", summary="Ask how far a fine-tune is", response_model=FineTuneStatus)
def fine_tune_status(
    _who: Reader,
    front: FrontDep,
    job_id: Annotated[
        str, Query(alias="jobId", min_length=1, max_length=200, description="The provider's job, or ours.")
    ],
) -> Response:
    """Say how far a fine-tune is, as of the last time the provider was asked. Raises NotFoundError."""
    watched = front.database.read(lambda conn: Watched.of(conn, job_id))
    view = FineTuneStatus.model_validate(status_view(job_id, watched))
    return json_response(view.model_dump(by_alias=True))


# --- models ---------------------------------------------------------------------------------------------------------


class ModelShown(_Camel):
    """A model. ``version`` counts from 1; ``metrics`` are of held-out pairs."""

    id: str
    version: int
    model_version: str
    provider: str | None
    base_model: str | None
    provider_model: str | None
    fine_tune_job_id: str | None
    is_active: bool
    activated_at: datetime | None
    created_at: datetime
    metrics: JsonObject | None = Field(description="Of its latest evaluation; null: it has not been evaluated.")


class AutoMode(_Camel):
    """Whether anything is merged without a person, from which confidence on, and from which a person is asked."""

    allowed: bool
    reason: str
    auto_merge: float
    propose: float


class ModelStatus(_Camel):
    """All models, the latest first."""

    success: bool = True
    active_model: ModelShown | None
    models: list[ModelShown]
    auto_mode: AutoMode


class ModelWish(_Camel):
    """What shall become of a model, and why."""

    model_id: str = Field(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+$")
    action: Literal["activate", "deactivate"]
    reason: str = Field(
        default="by model-status", min_length=1, max_length=1_000, pattern=r"^[^\x00]+$", description="For the history."
    )


class ModelChanged(_Camel):
    """What became of the model."""

    success: bool = True
    model_id: str
    action: Literal["activate", "deactivate"]
    is_active: bool
    message: str
    job_id: str


@router.get("/model-status", summary="List dedup's models", response_model=ModelStatus)
def model_status(_who: Reader, front: FrontDep) -> Response:
    """Show the models, which of them answers, how they did, and whether mode auto may be used."""
    status = front.database.read(_status)
    return json_response(status.model_dump(by_alias=True))


@router.post(
    "/model-status",
    summary="Activate or deactivate a model",
    response_model=ModelChanged,
    responses={202: {"description": "It takes longer: follow the job."}},
)
async def change_model_status(body: ModelWish, request: Request, who: Promotes, front: FrontDep) -> Response:
    """Activate a model that passed its gates, once it is shown to work; or let similarities answer again.

    Raises NotFoundError for an unknown model, RefusedError when it is not to be changed, and what the job failed with.
    """
    known = await anyio.to_thread.run_sync(front.database.read, lambda conn: dedup.numbered_model(conn, body.model_id))
    if known is None:
        raise NotFoundError(
            "there is no such model of dedup", advice="list them with GET /api/admin/insights/model-status"
        )
    params: dict[str, Any] = {"model_id": known.id, "reason": body.reason}
    job_id = await submitted(request, front, who, f"dedup.{body.action}", params)
    job = await ended_or_none(front, job_id)
    if job is None:
        answer = {"success": True, "modelId": known.id, "action": body.action, "jobId": job_id}
        return json_response(answer, HTTPStatus.ACCEPTED, {"Location": f"/v1/jobs/{job_id}"})
    changed = ModelChanged(
        model_id=known.id,
        action=body.action,
        is_active=body.action == "activate",
        message=decided(job, body.action),
        job_id=job_id,
    )
    return json_response(changed.model_dump(by_alias=True))


def _status(conn: Connection) -> ModelStatus:
    models = [_shown(model) for model in dedup.numbered_models(conn)]
    verdict, limits = auto_verdict(conn), thresholds(conn)
    return ModelStatus(
        active_model=next((model for model in models if model.is_active), None),
        models=models,
        auto_mode=AutoMode(
            allowed=verdict.outcome == "pass",
            reason=verdict.sentence,
            auto_merge=limits.auto_merge,
            propose=limits.propose,
        ),
    )


def _shown(model: dedup.NumberedModel) -> ModelShown:
    figures = (model.metrics.get("all") or {}).get("candidate")
    return ModelShown(
        id=model.id,
        version=model.version,
        model_version=model.model_version,
        provider=model.provider,
        base_model=model.base_model,
        provider_model=model.provider_model,
        fine_tune_job_id=model.fine_tune_job_id,
        is_active=model.is_active,
        activated_at=model.activated_at,
        created_at=model.created_at,
        metrics={name: figures.get(name) for name in _FIGURES} if figures else None,
    )
