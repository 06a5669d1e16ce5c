"""The page of models: every surface of every pipeline, with its active model and its candidate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import Connection

from api.review.route import page, site_router
from api.review.views.headline import Headline, headline_of
from shared import models
from shared.db import glance
from shared.db.glance import Standing
from shared.models import Model
from shared.pipeline import Pipeline
from shared.registry import pipelines

_site = site_router()
ROUTERS: Final = (_site,)

_OTHERS: Final = 20


@dataclass(frozen=True, kw_only=True)
class Place:
    """A surface, and the headline figure of its active model."""

    standing: Standing
    headline: Headline | None


@dataclass(frozen=True, kw_only=True)
class Family:
    """A pipeline with its surfaces."""

    name: str
    summary: str
    places: Sequence[Place]


@_site.get("/models", name="site.models")
@page("models.html")
def list_models(conn: Connection) -> Mapping[str, Any]:
    """Show all surfaces; and the latest models that our own trainer made, which no pipeline of ours answers with."""
    known = pipelines()
    standings = glance.standings(conn, [(each.name, name) for each in known.values() for name in each.surfaces])
    return {"families": [_family(each, standings) for each in known.values()], "trained": _trained(conn)}


def _family(pipeline: Pipeline[Any, Any], standings: Sequence[Standing]) -> Family:
    places = [
        Place(standing=each, headline=headline_of(pipeline, each.active_metrics or {}))
        for each in standings
        if each.pipeline == pipeline.name
    ]
    return Family(name=pipeline.name, summary=pipeline.summary, places=places)


def _trained(conn: Connection) -> list[Model]:
    return models.list_models(conn, pipeline="llm", limit=_OTHERS)
