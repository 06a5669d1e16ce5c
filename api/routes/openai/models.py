"""``/openai/v1/models``: the base models of our own trainer, and what it has made of them."""

from typing import Final

from fastapi import APIRouter
from psycopg import Connection

from api.deps import Submits
from api.routes.openai import PREFIX
from api.routes.openai.errors import model_not_found
from api.routes.openai.views import ORGANIZATION, Deleted, Listed, ModelView, seconds
from api.transaction import Work, in_transaction, reading
from shared.contracts import ModelState
from shared.db import fine_tunes
from shared.db import models as registry
from shared.db.fine_tunes import FineTunedModel
from shared.errors import ConflictError, ForbiddenError
from shared.llm.connection import LOCAL
from shared.llm.engines import BaseModel, base_models

router = APIRouter(prefix=PREFIX, tags=["openai"], include_in_schema=False)

_OURS: Final = "tuneyard-system"


@router.get("/models", name="openai.models.list")
@reading
def list_models(conn: Connection, *, _who: Submits) -> Listed[ModelView]:
    """Show the base models, then the fine-tuned ones, the newest first."""
    tuned = [_tuned(model) for model in fine_tunes.list_models(conn)]
    return Listed(data=[*(_base(model) for model in base_models()), *tuned])


@router.get("/models/{name:path}", name="openai.models.show")
@reading
def show_model(conn: Connection, name: str, _who: Submits) -> ModelView:
    """Show a model."""
    for model in base_models():
        if model.name == name:
            return _base(model)
    tuned = fine_tunes.find_model(conn, name)
    if tuned is None:
        raise model_not_found(name)
    return _tuned(tuned)


@router.delete("/models/{name:path}", name="openai.models.delete")
@in_transaction
def delete_model(work: Work, name: str, _who: Submits) -> Deleted:
    """Let a fine-tuned model answer no more, unless an active model of a pipeline answers by it."""
    if any(model.name == name for model in base_models()):
        raise ForbiddenError(f"{name} is a base model: it cannot be deleted", param="model")
    tuned = fine_tunes.find_model(work.conn, name)
    if tuned is None:
        raise model_not_found(name)
    if users := fine_tunes.active_users(work.conn, LOCAL, name):
        raise ConflictError(
            f"the model {name} is in use by {', '.join(users)}",
            advice="promote another model there first, or deactivate this one",
            param="model",
        )
    fine_tunes.delete_model(work.conn, name)
    registry.set_state(work.conn, tuned.model_id, ModelState.RETIRED)
    return Deleted(id=name, object="model")


def _base(model: BaseModel) -> ModelView:
    return ModelView(id=model.name, created=model.created, owned_by=_OURS)


def _tuned(model: FineTunedModel) -> ModelView:
    return ModelView(id=model.name, created=seconds(model.created_at), owned_by=ORGANIZATION)
