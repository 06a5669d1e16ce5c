"""``tuneyard promotions``, ``predictions`` and ``alerts``: what was decided, answered, and needs a person's eye."""

from typing import Annotated

import typer

from api.commands import flags, output
from api.commands.client import open_api
from api.commands.output import Column

PROMOTION_COLUMNS = (
    Column("promotion", "id"),
    Column("at", "at"),
    Column("kind", "kind"),
    Column("pipeline", "pipeline"),
    Column("from", "from_model"),
    Column("to", "to_model"),
    Column("by", "actor"),
    Column("reason", "reason"),
)
PREDICTION_COLUMNS = (
    Column("prediction", "id"),
    Column("pipeline", "pipeline"),
    Column("path", "path"),
    Column("confidence", "confidence"),
    Column("model", "model_id"),
    Column("created", "created_at"),
)
ALERT_COLUMNS = (
    Column("at", "at"),
    Column("kind", "kind"),
    Column("about", "subject"),
    Column("message", "message"),
)


def promotions(
    *,
    pipeline: flags.Pipeline = None,
    surface: flags.Surface = None,
    limit: flags.Limit = 20,
    cursor: flags.Cursor = None,
    as_json: flags.AsJson = False,
) -> None:
    """List changes of the active model, newest first: from what, to what, who and why."""
    with open_api() as api:
        page = api.get("/v1/promotions", pipeline=pipeline, surface=surface, limit=limit, cursor=cursor)
    output.print_list(page, PROMOTION_COLUMNS, as_json=as_json, more="--cursor")


def predictions(
    *,
    pipeline: flags.Pipeline = None,
    model: Annotated[str | None, typer.Option(help="Only of this model.")] = None,
    limit: flags.Limit = 20,
    cursor: flags.Cursor = None,
    as_json: flags.AsJson = False,
) -> None:
    """List predictions, newest first: the model that gave each, its path and its confidence."""
    with open_api() as api:
        page = api.get("/v1/predictions", pipeline=pipeline, model_id=model, limit=limit, cursor=cursor)
    output.print_list(page, PREDICTION_COLUMNS, as_json=as_json, more="--cursor")


def alerts(*, limit: flags.Limit = 20, cursor: flags.Cursor = None, as_json: flags.AsJson = False) -> None:
    """List alerts, newest first: a model that cannot be read, a part that was lost."""
    with open_api() as api:
        page = api.get("/v1/alerts", limit=limit, cursor=cursor)
    output.print_list(page, ALERT_COLUMNS, as_json=as_json, more="--cursor")
