"""The HTTP front: a thin layer that checks, writes jobs down, and answers. It loads no heavy library."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from api import errors, imports, openapi
from api.deps import running_front
from api.direct import DirectRoute
from api.middleware import Endpoint, Gate
from api.review import faults, site
from api.routes import (
    clustering,
    datasets,
    dedup,
    images,
    insights,
    jobs,
    keys,
    lineage,
    models,
    operations,
    predictions,
    review,
    review_work,
    router,
    spending,
    training_data,
    uploads,
    webhooks,
)
from api.routes.openai import api as openai_api
from api.routes.openai import files as openai_files
from api.steps import add_step
from shared.contracts import JsonObject
from shared.loop.importing import takes_body
from shared.registry import steps
from shared.settings import Settings, get_settings

_DESCRIPTION: Final = """
Turns what people decide into promoted models, again and again, unattended.

* Every request needs an API key: `Authorization: Bearer ty_…`.
* `POST /v1/{pipeline}/{step}` submits a job. `202` is a promise: the job is in the ledger. Follow it at
  `/v1/jobs/{id}/events`, or send `Prefer: wait=10` and get its result.
* `Idempotency-Key` makes any POST safe to repeat.
* Lists are pages: ask for the next one with `?cursor=`.
* Errors are problem documents (RFC 9457); `code` is stable, and `advice` says what to do.
"""
# the busiest first
_RESOURCES: Final = (
    router, *openai_api.RESOURCES, jobs, models, datasets, predictions, lineage, keys, uploads, review_work, review,
    spending, webhooks, operations, clustering, insights, training_data, dedup, images,
)  # fmt: skip


class Tuneyard(FastAPI):
    """The application, with its own OpenAPI document."""

    def openapi(self) -> JsonObject:
        """Return the OpenAPI document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = openapi.describe(super().openapi())
        return self.openapi_schema


def create_app(settings: Settings | None = None) -> Tuneyard:
    """Build the application. Its parts start and stop with its lifespan."""
    chosen = settings or get_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running_front(chosen) as front:
            app.state.front = front
            yield

    app = Tuneyard(
        title="Tuneyard",
        version=version("tuneyard"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        redoc_url=None,
        # looked up anew at every request if left on, whether anything is configured or not
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    streamed = _add_steps(app.router)
    for resource in _RESOURCES:
        app.include_router(resource.router)
    for pages in site.routers():
        app.include_router(pages)
    errors.install(app)
    faults.install(app)
    app.add_middleware(
        Gate,
        max_body=chosen.max_body_bytes,
        max_upload=chosen.max_upload_bytes,
        max_depth=chosen.max_json_depth,
        uploads=[*streamed, uploads.UPLOAD_PATH, openai_files.UPLOAD_PATH, images.PREDICT_PATH],
        direct=_direct([app.router, *(resource.router for resource in _RESOURCES)]),
    )
    return app


def _add_steps(api: APIRouter) -> list[str]:
    """Add a route for each step, first of all routes since they are the busiest; return the paths that take files."""
    streamed = []
    for step in steps().values():
        if takes_body(step):
            imports.add_import(api, step)
            streamed.append(imports.import_path(step))
        else:
            add_step(api, step)
    return streamed


def _direct(routers: Sequence[APIRouter]) -> dict[str, Endpoint]:
    """Return the endpoints that need no more of FastAPI than its documentation, by path."""
    return {r.path: r.endpoint for router in routers for r in router.routes if isinstance(r, DirectRoute)}


def _operation_id(route: APIRoute) -> str:
    return route.name
