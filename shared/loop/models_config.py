"""The step ``models-config``: which model answers for each surface now, as a file for programs and people.

The registry is the truth; the file is a picture of it. The same state gives the same bytes.
"""

import json
from typing import Any, Final

from psycopg import Connection

from shared import models
from shared.contracts import Contract, JsonObject, Queue
from shared.db import canaries, pins
from shared.db.canaries import Canary
from shared.files import ResultFiles, publish_files
from shared.models import Model
from shared.pipeline import Done, Pipeline, Run, Step

FORMAT: Final = "tuneyard_models_v1"
FALLBACK: Final = "deterministic"
"""Every pipeline's fallback is: the same input gets the same answer."""


class ModelsConfigParams(Contract):
    """Nothing to choose: all surfaces are shown."""


class ModelsConfigResult(Contract):
    """For each surface its active model, and what answers now; ``files`` has the same as a file."""

    surfaces: JsonObject
    files: ResultFiles


def models_config_step(pipeline: Pipeline[Any, Any]) -> Step[ModelsConfigParams]:
    """Return a pipeline's step ``models-config``."""
    return Step(
        pipeline=pipeline.name,
        name="models-config",
        summary="Show which model answers for each surface, and write it as a file.",
        queue=Queue.DB,
        params=ModelsConfigParams,
        run=lambda run, _: models_config(pipeline, run),
    )


def models_config(pipeline: Pipeline[Any, Any], run: Run) -> Done:
    """Read the registry and write the file."""
    with run.reading() as conn:
        surfaces: JsonObject = {surface: _surface(conn, pipeline, surface) for surface in pipeline.surfaces}
    told = {"format": FORMAT, "pipeline": pipeline.name, "surfaces": surfaces}
    text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    files = publish_files(run.artifacts, {pipeline.models_file: text.encode()})
    return Done(result=ModelsConfigResult(surfaces=surfaces, files=files))


def _surface(conn: Connection, pipeline: Pipeline[Any, Any], surface: str) -> JsonObject:
    active = models.active(conn, pipeline.name, surface)
    pin = pins.holding(conn, pipeline.name, surface)
    return {
        "model": _name(active) if active else None,
        "model_id": active.id if active else None,
        "version": active.version if active else None,
        "base_model": active.parameters.get("base_model") if active else None,
        "pinned": pin is not None,
        "pin_reason": pin.reason if pin else None,
        "canary": _canary(conn, canaries.running(conn, pipeline.name, surface)),
        "fallback": FALLBACK,
        "answers": "model" if active and not pin else FALLBACK,
    }


def _canary(conn: Connection, canary: Canary | None) -> JsonObject | None:
    if canary is None:
        return None
    model = models.get(conn, canary.model_id)
    return {"model": _name(model), "model_id": model.id, "version": model.version, "percent": canary.percent}


def _name(model: Model) -> str:
    """Return what the model is called where it answers: the provider's name, or its version with us."""
    return str(model.parameters.get("provider_model") or model.version)
