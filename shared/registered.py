"""Models of the registry for code that has no ``Run`` and no open transaction, and how a deployment overrules it.

For pipelines that answer by themselves (``Pipeline.serve``).
"""

from pathlib import Path
from typing import Literal, NamedTuple

import structlog

from shared import models
from shared.db import alerts
from shared.db.pool import get_database
from shared.errors import NotFoundError, UnavailableError
from shared.model_files import ModelFiles
from shared.settings import get_settings
from shared.stores import artifacts, cache_folder

log = structlog.get_logger()


class Overruled(NamedTuple):
    """What ``AI_SCORING_MODE``, ``AI_MODEL_VERSION`` and ``AI_ONNX_MODEL_PATH`` say; empty: nothing."""

    mode: Literal["", "baseline", "onnx"]
    version: str
    path: Path | None


class Registered(NamedTuple):
    """A model of the registry, and the folder with its files."""

    id: str
    version: str
    folder: Path


def overruled() -> Overruled:
    """Return what this deployment says about scoring."""
    settings = get_settings()
    path = Path(settings.ai_onnx_model_path) if settings.ai_onnx_model_path else None
    return Overruled(settings.ai_scoring_mode, settings.ai_model_version, path)


def registered(pipeline: str, surface: str, version: str | None) -> Registered | None:
    """Return the model of a version, its files fetched first; without a version the active one, None if none is.

    Raises NotFoundError for an unknown version, and NotFoundError, CorruptError or UnavailableError as the store does.
    """
    if version is None:
        found = get_database().read(lambda conn: models.active(conn, pipeline, surface))
        if found is None:
            return None
    else:
        matching = get_database().read(lambda conn: models.find(conn, pipeline, surface, version))
        if matching is None:
            raise NotFoundError(
                f"{pipeline} has no model {version} of {surface}", advice="list them: tuneyard models list"
            )
        found = matching
    return Registered(found.id, found.version, ModelFiles(artifacts(), cache_folder("models")).get(found.manifest))


def alert(kind: str, subject: str, message: str) -> None:
    """Tell people what belongs to no one job, once for each subject; without the database, the log alone has it."""
    log.warning("alert", kind=kind, subject=subject, reason=message)
    try:
        with get_database().transaction() as conn:
            alerts.raise_once(conn, kind, subject, message, {})
    except UnavailableError as error:
        log.warning("alert not written", reason=error.message)
