"""Drift: whether answers, their confidence and labels look today as they did; all pipelines, and one in detail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Query
from markupsafe import Markup
from psycopg import Connection

from api.review.route import page, site_router
from api.review.views import drift
from api.review.views.drift import By
from api.routes.review import PipelineName
from shared.db import models, provider_doctor
from shared.db.models import Model
from shared.errors import NotFoundError
from shared.pipeline import Pipeline
from shared.registry import get_pipeline, pipelines, steps

_site = site_router()
ROUTERS: Final = (_site,)

_SMALL: Final = 170.0  # height of small multiples
_SMALL_SAMPLE: Final = 1200
_FACETS: Final = 4
_ASKS: Final = ("query", "infer", "predict", "score")

Days = Annotated[int, Query(ge=1, le=365)]


@dataclass(frozen=True, kw_only=True)
class Small:
    """One surface among all: a few charts of it, none where it has not answered in the window."""

    pipeline: Pipeline[Any, Any]
    surface: str
    active: Model | None
    answers: int
    cut: bool
    charts: Sequence[Markup]


@_site.get("/drift", name="site.drift")
@page("drift.html")
def show_all(conn: Connection, days: Days = 30, by: By | None = None) -> Mapping[str, Any]:
    """Show all surfaces that have a model or have answered, in small."""
    over = drift.window(days, by, provider_doctor.now(conn))
    found = [_small(conn, each, surface, over) for each in pipelines().values() for surface in each.surfaces]
    shown = [each for each in found if each.answers or each.active]
    quiet = [each for each in found if not (each.answers or each.active)]
    return {"surfaces": shown, "quiet": quiet, **_choices(over)}


@_site.get("/drift/{pipeline}", name="site.drift.pipeline")
@page("drift_of.html")
def show_one(
    conn: Connection,
    pipeline: PipelineName,
    surface: Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_]{0,62}$")] = None,
    days: Days = 30,
    by: By | None = None,
) -> Mapping[str, Any]:
    """Show one surface of a pipeline over a window."""
    chosen = get_pipeline(pipeline)
    surface = surface or _busiest(conn, chosen)
    if surface not in chosen.surfaces:
        raise NotFoundError(
            f"{pipeline} has no {chosen.surface_word} {surface}", advice=f"it has {', '.join(chosen.surfaces)}"
        )
    over = drift.window(days, by, provider_doctor.now(conn))
    found = drift.look(conn, pipeline, surface, over, source=chosen.source)
    return {
        "pipeline": chosen, "surface": surface, "found": found, "active": models.active(conn, pipeline, surface),
        "coverage": drift.coverage(found), "confidence": drift.confidence(found), "around": drift.around(found),
        "answered": drift.answered(found, most=_FACETS), "labelled": drift.labelled(found, most=_FACETS),
        "ask": _ask(pipeline), **_choices(over),
    }  # fmt: skip


def _small(conn: Connection, pipeline: Pipeline[Any, Any], surface: str, over: drift.Window) -> Small:
    found = drift.look(conn, pipeline.name, surface, over, sample=_SMALL_SAMPLE)
    shown: list[Markup] = []
    if found.answers:
        shown = [chart for chart, _ in drift.answered(found, most=1, height=_SMALL)]
        shown += [drift.confidence(found, height=_SMALL), drift.coverage(found, height=_SMALL)]
    return Small(
        pipeline=pipeline, surface=surface, active=models.active(conn, pipeline.name, surface),
        answers=len(found.answers), cut=found.cut, charts=shown,
    )  # fmt: skip


def _busiest(conn: Connection, pipeline: Pipeline[Any, Any]) -> str:
    """Return the surface that comes first: one with an active model, if any."""
    active = [surface for surface in pipeline.surfaces if models.active(conn, pipeline.name, surface)]
    return (active or pipeline.surfaces)[0]


def _choices(over: drift.Window) -> Mapping[str, Any]:
    return {"window": over, "windows": drift.WINDOWS, "steps": list(drift.STEPS)}


def _ask(pipeline: str) -> str:
    """Return the command that lets a pipeline answer."""
    step = next((name for name in _ASKS if f"{pipeline}.{name}" in steps()), _ASKS[0])
    return f"tuneyard {pipeline} {step} --help"
