"""The steps ``pin`` and ``unpin``: a surface answers with its deterministic implementation, whatever model is active.

Nothing is said against the active model by that: it stays active, and answers again when the pin is taken away.
"""

from typing import Any

from psycopg import Connection
from pydantic import Field

from shared import models
from shared.contracts import Contract, Queue, Scope, Surface
from shared.db import pins
from shared.loop.choice import Reason, require_surface
from shared.pipeline import Done, Pipeline, Run, Step


class PinParams(Contract):
    """Which surface shall answer without a model, or with it again, and why."""

    surface: Surface = Field(default="default", description="The part of the pipeline.")
    reason: Reason = Field(description="Why; kept in the history for good.", examples=["an audit wants fixed answers"])


class PinResult(Contract):
    """Whether the surface is pinned now, and whether that changed. ``model_id`` is the active model, if any."""

    pinned: bool
    changed: bool
    sentence: str
    surface: str
    model_id: str | None
    version: str | None


def pin_step(pipeline: Pipeline[Any, Any]) -> Step[PinParams]:
    """Return a pipeline's step ``pin``."""
    return Step(
        pipeline=pipeline.name,
        name="pin",
        summary="Pin a surface to its deterministic implementation: no model answers until it is unpinned.",
        queue=Queue.DB,
        params=PinParams,
        run=lambda run, params: pin(pipeline, run, params),
        scope=Scope.PROMOTE,
    )


def unpin_step(pipeline: Pipeline[Any, Any]) -> Step[PinParams]:
    """Return a pipeline's step ``unpin``."""
    return Step(
        pipeline=pipeline.name,
        name="unpin",
        summary="Let the active model of a pinned surface answer again.",
        queue=Queue.DB,
        params=PinParams,
        run=lambda run, params: unpin(pipeline, run, params),
        scope=Scope.PROMOTE,
    )


def pin(pipeline: Pipeline[Any, Any], run: Run, params: PinParams) -> Done:
    """Pin a surface; where it is pinned already, nothing changes."""
    require_surface(pipeline, params.surface)

    def record(conn: Connection) -> PinResult:
        changed = pins.put(
            conn, pipeline=pipeline.name, surface=params.surface, actor=run.actor, reason=params.reason,
            job_id=run.job_id,
        )  # fmt: skip
        how = "is pinned now" if changed else "is pinned already"
        sentence = f"{pipeline.name} {params.surface} {how}: its deterministic implementation answers."
        return _result(conn, pipeline, params, sentence, pinned=True, changed=changed)

    return Done(result=params, record=record)


def unpin(pipeline: Pipeline[Any, Any], run: Run, params: PinParams) -> Done:
    """Take the pin of a surface away; where there is none, nothing changes."""
    require_surface(pipeline, params.surface)

    def record(conn: Connection) -> PinResult:
        changed = pins.end(conn, pipeline=pipeline.name, surface=params.surface, actor=run.actor, reason=params.reason)
        active = models.active(conn, pipeline.name, params.surface)
        who = f"{active.version} answers" if active else "no model is active, so the fallback answers"
        how = "is no longer pinned" if changed else "was not pinned"
        sentence = f"{pipeline.name} {params.surface} {how}: {who}."
        return _result(conn, pipeline, params, sentence, pinned=False, changed=changed)

    return Done(result=params, record=record)


def _result(
    conn: Connection, pipeline: Pipeline[Any, Any], params: PinParams, sentence: str, *, pinned: bool, changed: bool
) -> PinResult:
    active = models.active(conn, pipeline.name, params.surface)
    return PinResult(
        pinned=pinned,
        changed=changed,
        sentence=sentence,
        surface=params.surface,
        model_id=active.id if active else None,
        version=active.version if active else None,
    )
