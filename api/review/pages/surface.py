"""The page of a surface: its versions with their figures over time, who changed what and why, canary and pin."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from fastapi import Path, Query
from markupsafe import Markup
from psycopg import Connection

from api.review import charts
from api.review.charts import Mark, Series
from api.review.route import page, site_router
from api.review.views.evaluated import flat
from api.review.views.headline import Headline, headline_of, number, windows_of
from shared import models
from shared.db import canaries, glance, pins, promotions
from shared.db.glance import Standing
from shared.db.promotions import Promotion
from shared.loop.canary_report import CanaryReport, report_on
from shared.loop.choice import require_surface
from shared.models import Model
from shared.pipeline import Pipeline
from shared.registry import get_pipeline

_site = site_router()
ROUTERS: Final = (_site,)

PipelineName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
SurfaceName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
FigureName = Annotated[str, Query(max_length=200)]

_VERSIONS: Final = 50
_CHANGES: Final = 30
_PINS: Final = 5


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A form that came back: which one, what was sent, and what is wrong with each field. Empty: none did."""

    do: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Version:
    """A model of the surface with its headline figure."""

    model: Model
    headline: Headline | None


@dataclass(frozen=True, kw_only=True)
class Change:
    """A promotion, with the versions of the models that it names."""

    promotion: Promotion
    from_version: str | None
    to_version: str | None


@_site.get("/models/{pipeline}/{surface}", name="site.surface")
@page("models_surface.html")
def show_surface(
    conn: Connection, *, pipeline: PipelineName, surface: SurfaceName, figure: FigureName = ""
) -> Mapping[str, Any]:
    """Show a surface; ``figure`` chooses what is drawn over time."""
    return surface_data(conn, get_pipeline(pipeline), surface, figure=figure)


def surface_data(
    conn: Connection, pipeline: Pipeline[Any, Any], surface: str, *, figure: str = "", sent: Sent | None = None
) -> Mapping[str, Any]:
    """Return what the page shows. Raises InvalidInputError for a surface that the pipeline has not."""
    require_surface(pipeline, surface)
    found = models.list_models(conn, pipeline=pipeline.name, surface=surface, limit=_VERSIONS)
    standing = glance.standings(conn, [(pipeline.name, surface)])[0]
    changes = _changes(conn, pipeline.name, surface, found)
    versions = [Version(model=model, headline=headline_of(pipeline, model.metrics)) for model in found]
    choices = _choices(pipeline, found)
    chosen = figure if figure in choices else _first(versions, choices)
    return {
        "pipeline": pipeline,
        "surface": surface,
        "standing": standing,
        "versions": versions,
        "choices": choices,
        "chosen": chosen,
        "drawing": _drawing(found, changes, chosen) if chosen else None,
        "changes": changes,
        "canary": _canary(conn, pipeline.name, surface),
        "pins": pins.list_pins(conn, pipeline.name, surface, _PINS),
        "before": _before(conn, standing),
        "sent": sent or Sent(),
        "once": secrets.token_hex(16),
    }


def _changes(conn: Connection, pipeline: str, surface: str, known: Sequence[Model]) -> list[Change]:
    found = promotions.list_promotions(conn, pipeline=pipeline, surface=surface, limit=_CHANGES)
    named = {model.id: model.version for model in known}
    for missing in {each for one in found for each in (one.from_model, one.to_model) if each} - named.keys():
        named[missing] = models.get(conn, missing).version
    return [
        Change(promotion=one, from_version=named.get(one.from_model or ""), to_version=named.get(one.to_model or ""))
        for one in found
    ]


def _canary(conn: Connection, pipeline: str, surface: str) -> CanaryReport | None:
    latest = canaries.latest(conn, pipeline, surface)
    return report_on(conn, latest) if latest else None


def _before(conn: Connection, standing: Standing) -> Model | None:
    """Return the model that a rollback goes back to."""
    previous = promotions.previous_model(conn, standing.pipeline, standing.surface, standing.active_id)
    return models.get(conn, previous) if previous else None


# --- figures over time ------------------------------------------------------------------------------------------------


def _choices(pipeline: Pipeline[Any, Any], found: Sequence[Model]) -> list[str]:
    """Return the figures that can be drawn over time: window and name, as ``all.accuracy``."""
    names: dict[str, None] = {}
    for model in found:
        for window in windows_of(pipeline, model.metrics):
            for name, value in flat(model.metrics[window].get("candidate") or {}):
                if number(value) is not None and name != "rows":
                    names[f"{window}.{name}"] = None
    return list(names)


def _first(versions: Sequence[Version], choices: Sequence[str]) -> str:
    heads = [f"{each.headline.window}.{each.headline.name}" for each in versions if each.headline]
    return next(iter([*heads, *choices]), "")


def _drawing(found: Sequence[Model], changes: Sequence[Change], chosen: str) -> Markup | None:
    """Draw a figure of all versions by the time of their training, and where another one became active.

    None: with fewer than two versions there is nothing to see over time.
    """
    window, _, name = chosen.partition(".")
    points, band = [], []
    for model in reversed(found):
        figures = (model.metrics.get(window) or {}).get("candidate") or {}
        value = number(dict(flat(figures)).get(name))
        if value is not None:
            points.append((model.created_at, value))
            ends = (figures.get("intervals") or {}).get(name)
            if isinstance(ends, list) and all(number(end) is not None for end in ends):
                band.append((model.created_at, float(ends[0]), float(ends[1])))
    if len(points) < 2:  # noqa: PLR2004  (a line needs two)
        return None
    marks = [
        Mark(one.promotion.at, f"{one.promotion.kind}: {one.to_version or 'none'}")
        for one in changes
        if one.promotion.at >= points[0][0]
    ]
    words = name.replace("_", " ").replace(".", ", ")
    title = f"{words[:1].upper()}{words[1:]} of each version"
    return charts.line(title, [Series(name=words, points=points, band=band)], x="trained", y=words, marks=marks)
