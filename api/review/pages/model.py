"""The page of a model: what it is, how it does beside the active one, what the gates say, and what can be done."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import Path, Query
from psycopg import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.deps import FrontDep
from api.paging import ModelId
from api.review.pages.surface import Sent
from api.review.render import render
from api.review.route import page, site_router
from api.review.views import evaluated
from api.review.views.headline import TRAINING, headline_of
from api.review.views.markdown import html_of
from shared import jobs, models
from shared.artifacts import ArtifactStore
from shared.contracts import ModelState
from shared.db import canaries, evaluations, promotions
from shared.db.evaluations import Evaluation
from shared.errors import NotFoundError
from shared.files import FILE_NAME, ResultFiles, files_of_result
from shared.loop.promotable import is_current, sunset_of
from shared.models import Model
from shared.pipeline import Pipeline
from shared.registry import pipelines

_site = site_router()
ROUTERS: Final = (_site,)

EvaluationName = Annotated[str | None, Query(pattern=r"^eval_[0-9a-f]{32}$", alias="evaluation")]
_EVALUATIONS: Final = 20
_MAX_DRAWING: Final = 1_000_000
_DRAWING: Final = ".svg"
_DRAWING_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",  # a picture, and no more
    "Cache-Control": "private, max-age=3600",
    "X-Content-Type-Options": "nosniff",
}


@_site.get("/models/{model_id}", name="site.model")
@page("model.html")
def show_model(conn: Connection, *, model_id: ModelId, evaluation_id: EvaluationName = None) -> Mapping[str, Any]:
    """Show a model with its latest evaluation, or an earlier one."""
    return model_data(conn, models.get(conn, model_id), evaluation_id=evaluation_id)


@_site.get("/models/{model_id}/card", name="site.model-card")
def show_card(request: Request, model_id: ModelId, front: FrontDep) -> Response:
    """Show a model's card, which the registry keeps as Markdown."""
    model = front.database.read(lambda conn: models.get(conn, model_id))
    card = html_of(models.read_card(front.artifacts, model))
    return render(request, "model_card.html", {"model": model, "card": card})


@_site.get("/models/{model_id}/drawings/{evaluation_id}/{name:path}", name="site.model-drawing")
def show_drawing(
    model_id: ModelId,
    evaluation_id: Annotated[str, Path(pattern=r"^eval_[0-9a-f]{32}$")],
    name: Annotated[str, Path(pattern=FILE_NAME)],
    front: FrontDep,
) -> Response:
    """Send a chart that the evaluating worker drew. Raises NotFoundError."""
    found = front.database.read(lambda conn: _files_of(conn, evaluations.get(conn, evaluation_id), model_id))
    if found is None or name not in _drawings(found):
        raise NotFoundError(f"this evaluation has no drawing {name}")
    return Response(_read(front.artifacts, found, name), media_type="image/svg+xml", headers=_DRAWING_HEADERS)


def model_data(
    conn: Connection, model: Model, *, evaluation_id: str | None = None, sent: Sent | None = None
) -> Mapping[str, Any]:
    """Return what the page shows of a model. Raises NotFoundError for an evaluation that is none of its own."""
    pipeline = pipelines().get(model.pipeline)
    found = evaluations.of_model(conn, model.id, limit=_EVALUATIONS)
    evaluation = _chosen(conn, model, found, evaluation_id)
    active = models.active(conn, model.pipeline, model.surface)
    beside = models.get(conn, evaluation.active_id) if evaluation and evaluation.active_id else None
    running = canaries.running(conn, model.pipeline, model.surface)
    files = _files_of(conn, evaluation, model.id) if evaluation else None
    return {
        "model": model,
        "pipeline": pipeline,
        "active": active,
        "is_active": model.state is ModelState.ACTIVE,
        "was_active": promotions.was_active(conn, model.id),
        "headline": headline_of(pipeline, model.metrics) if pipeline else None,
        "evaluation": evaluation,
        "evaluations": found,
        "beside": beside,
        "is_current": evaluation is not None and is_current(evaluation, active),
        "windows": _windows(pipeline, evaluation, model, beside),
        "drawings": _drawings(files) if files else [],
        "training": list(evaluated.flat((model.metrics.get(TRAINING) or {}).get("candidate") or {})),
        "parameters": list(evaluated.flat(model.parameters)),
        "sunset": sunset_of(conn, model),
        "canary": running if running and running.model_id == model.id else None,
        "changes": promotions.list_promotions(conn, to_model=model.id, limit=_EVALUATIONS),
        "sent": sent or Sent(),
        "once": secrets.token_hex(16),
    }


def _chosen(
    conn: Connection, model: Model, found: Sequence[Evaluation], evaluation_id: str | None
) -> Evaluation | None:
    if evaluation_id is None:
        return found[0] if found else None
    evaluation = evaluations.get(conn, evaluation_id)
    if evaluation.model_id != model.id:
        raise NotFoundError(f"model {model.version} has no evaluation {evaluation_id}")
    return evaluation


def _windows(
    pipeline: Pipeline[Any, Any] | None, evaluation: Evaluation | None, model: Model, beside: Model | None
) -> list[evaluated.Window]:
    if pipeline is None or evaluation is None:
        return []
    names = (f"{model.version} (this model)", f"{beside.version} (active then)" if beside else "none")
    return evaluated.windows(pipeline, evaluation.metrics, names)


# --- drawings of the worker -------------------------------------------------------------------------------------------


def _files_of(conn: Connection, evaluation: Evaluation, model_id: str) -> ResultFiles | None:
    if evaluation.job_id is None or evaluation.model_id != model_id:
        return None
    return files_of_result(jobs.get(conn, evaluation.job_id).result)


def _drawings(files: ResultFiles) -> list[str]:
    return [name for name, size in files.sizes.items() if name.endswith(_DRAWING) and size <= _MAX_DRAWING]


def _read(store: ArtifactStore, files: ResultFiles, name: str) -> bytes:
    with store.open(store.manifest(files.manifest).files[name]) as file:
        return file.read()
