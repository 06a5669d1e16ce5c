"""Predictions: which answers were given, by which model; and alerts, which say when that goes wrong."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from psycopg import Connection

from api.deps import Reader, Submits
from api.paging import Cursor, Limit, PipelineFilter, PredictionId, SurfaceFilter
from api.transaction import Work, in_transaction, reading
from api.views import AlertView, Page, PredictionView, page
from shared import contracts
from shared.db import alerts, predictions

router = APIRouter(prefix="/v1", tags=["predictions"])


@router.get("/predictions", summary="List predictions")
@reading
def list_predictions(
    conn: Connection,
    *,
    _who: Reader,
    pipeline: PipelineFilter = None,
    surface: SurfaceFilter = None,
    model_id: Annotated[str | None, Query(pattern=r"^mdl_[0-9a-f]{32}$")] = None,
    path: contracts.Path | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[PredictionView]:
    """Show answers, newest first. What was asked is not shown: it may be personal."""
    found = predictions.list_predictions(
        conn, pipeline=pipeline, surface=surface, model_id=model_id, path=path, before=cursor, limit=limit + 1
    )
    return page(PredictionView.model_validate, found, limit)


@router.get("/predictions/{prediction_id}", summary="Show a prediction")
@reading
def show_prediction(conn: Connection, prediction_id: PredictionId, _who: Reader) -> PredictionView:
    """Show one answer. It is written a moment after it was given."""
    return PredictionView.model_validate(predictions.get(conn, prediction_id))


@router.get("/alerts", summary="List alerts", tags=["operations"])
@reading
def list_alerts(
    conn: Connection,
    *,
    _who: Reader,
    cursor: Annotated[int | None, Query(ge=0, lt=2**63, description="`next_cursor` of the page before.")] = None,
    limit: Limit = 50,
    only_open: Annotated[bool, Query(alias="open", description="Leave out those that somebody has seen to.")] = False,
) -> Page[AlertView]:
    """Show what belongs to no one job and must be seen, newest first."""
    found = alerts.list_alerts(conn, before=cursor, limit=limit + 1, only_open=only_open)
    return page(AlertView.model_validate, found, limit)


@router.post("/alerts/{alert_id}/close", summary="Close an alert", tags=["operations"])
@in_transaction
def close_alert(work: Work, *, alert_id: Annotated[int, Path(ge=1, lt=2**63)], who: Submits) -> AlertView:
    """Say that somebody has seen to it. What is still so after a week is told again."""
    alerts.close(work.conn, alert_id, who.name)
    return AlertView.model_validate(alerts.get(work.conn, alert_id))
