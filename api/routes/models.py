"""Models: what was trained, how it does, which one answers; and how to change that by hand."""

from typing import Any

import anyio.to_thread
from fastapi import APIRouter
from psycopg import Connection
from pydantic import Field
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.deps import Front, FrontDep, Promotes, Reader
from api.paging import Cursor, Limit, ModelId, PipelineFilter, SurfaceFilter
from api.security import Principal
from api.steps import ACCEPTED, submit_step
from api.transaction import reading
from api.views import EvaluationView, ModelView, Page, PromotionView, page
from shared import models
from shared.contracts import Contract, ModelState
from shared.db import evaluations, promotions
from shared.loop.choice import Reason
from shared.models import Model
from shared.registry import get_step

router = APIRouter(prefix="/v1", tags=["models"])


class Why(Contract):
    """The reason, which the history keeps."""

    reason: Reason = Field(examples=["the labels of May were wrong"])


class Activation(Why):
    """The reason, and whether to activate a model that its gates did not let through."""

    force: bool = Field(
        default=False, strict=True, description="Activate it although its verdicts say no, or it has none."
    )
    accept_sunset: bool = Field(
        default=False, strict=True, description="Activate it although its provider ends it within weeks."
    )


@router.get("/models", summary="List models")
@reading
def list_models(
    conn: Connection,
    *,
    _who: Reader,
    pipeline: PipelineFilter = None,
    surface: SurfaceFilter = None,
    state: ModelState | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ModelView]:
    """Show models, newest first."""
    found = models.list_models(conn, pipeline=pipeline, surface=surface, state=state, before=cursor, limit=limit + 1)
    return page(ModelView.model_validate, found, limit)


@router.get("/models/{model_id}", summary="Show a model")
@reading
def show_model(conn: Connection, model_id: ModelId, _who: Reader) -> ModelView:
    """Show a model: what it was trained on, with which parameters and libraries, and how it does."""
    return ModelView.model_validate(models.get(conn, model_id))


@router.get(
    "/models/{model_id}/card",
    summary="Show a model card",
    response_class=PlainTextResponse,
    responses={200: {"description": "Markdown.", "content": {"text/markdown": {"schema": {"type": "string"}}}}},
)
async def show_card(model_id: ModelId, _who: Reader, front: FrontDep) -> Response:
    """Show the model's card, for people: what it is, how it does, what it was let through on."""
    card = await anyio.to_thread.run_sync(_card, front, model_id)
    return PlainTextResponse(card, media_type="text/markdown")


@router.get("/models/{model_id}/evaluations", summary="List a model's evaluations")
@reading
def list_evaluations(
    conn: Connection, *, model_id: ModelId, _who: Reader, cursor: Cursor = None, limit: Limit = 50
) -> Page[EvaluationView]:
    """Show a model's evaluations with their verdicts, the latest first."""
    models.get(conn, model_id)
    found = evaluations.of_model(conn, model_id, before=cursor, limit=limit + 1)
    return page(EvaluationView.model_validate, found, limit)


@router.get("/promotions", summary="List promotions")
@reading
def list_promotions(
    conn: Connection,
    *,
    _who: Reader,
    pipeline: PipelineFilter = None,
    surface: SurfaceFilter = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[PromotionView]:
    """Show every change of an active model, newest first."""
    found = promotions.list_promotions(conn, pipeline=pipeline, surface=surface, before=cursor, limit=limit + 1)
    return page(PromotionView.model_validate, found, limit)


@router.post("/models/{model_id}/activate", summary="Activate a model", **ACCEPTED)
async def activate(model_id: ModelId, body: Activation, request: Request, who: Promotes, front: FrontDep) -> Response:
    """Make this model the active one of its surface. It is loaded and tried first."""
    model = await _model(front, model_id)
    return await _submit(request, model, "activate", who, model_id=model.id, **body.model_dump())


@router.post("/models/{model_id}/deactivate", summary="Deactivate a model", **ACCEPTED)
async def deactivate(model_id: ModelId, body: Why, request: Request, who: Promotes, front: FrontDep) -> Response:
    """Take this model out of service, if it is the active one: the pipeline's fallback answers."""
    model = await _model(front, model_id)
    return await _submit(
        request, model, "deactivate", who, surface=model.surface, model_id=model.id, reason=body.reason
    )


@router.post("/models/{model_id}/rollback", summary="Roll back to a model", **ACCEPTED)
async def roll_back(model_id: ModelId, body: Why, request: Request, who: Promotes, front: FrontDep) -> Response:
    """Go back to this model, which was active before. It is loaded and tried first."""
    model = await _model(front, model_id)
    return await _submit(request, model, "rollback", who, surface=model.surface, model_id=model.id, reason=body.reason)


async def _submit(request: Request, model: Model, name: str, who: Principal, **params: Any) -> Response:
    step = get_step(f"{model.pipeline}.{name}")
    return await submit_step(request, step, step.params.model_validate(params), who)


async def _model(front: Front, model_id: str) -> Model:
    return await anyio.to_thread.run_sync(_read, front, model_id)


def _read(front: Front, model_id: str) -> Model:
    with front.database.reading() as conn:
        return models.get(conn, model_id)


def _card(front: Front, model_id: str) -> str:
    return models.read_card(front.artifacts, _read(front, model_id))
