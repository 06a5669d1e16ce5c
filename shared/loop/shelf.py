"""The models that a serving process has in memory: what is wanted is loaded beside what serves, then takes its place.

A new model that cannot be read changes nothing but an alert: the old one stays, and the new one is tried again from
time to time.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from shared.db import alerts
from shared.db.pool import Database
from shared.db.serving import ActiveModel
from shared.errors import UnavailableError
from shared.model_files import ModelFiles
from shared.pipeline import Loaded, Pipeline

log = structlog.get_logger()

_FIRST_RETRY_S: Final = 1.0
_LAST_RETRY_S: Final = 60.0
_PATIENCE: Final = 5  # failed downloads before a store that does not answer is worth an alert

Place = tuple[str, str]
"""Pipeline and surface."""


@dataclass(frozen=True, slots=True)
class Shelved:
    """A model in memory, and what the registry says about it."""

    entry: ActiveModel
    model: Loaded[Any, Any]


@dataclass(frozen=True, slots=True)
class Setback:
    """A model that could not be loaded: how often it was tried, and when it is tried again (monotonic seconds)."""

    model_id: str
    tries: int
    again_at: float


class Shelf:
    """At most one loaded model for each place. One thread refreshes it, any may read ``models``."""

    def __init__(
        self,
        database: Database,
        files: ModelFiles,
        pipelines: Mapping[str, Pipeline[Any, Any]],
        consequence: Callable[[Shelved | None], str],
    ) -> None:
        self._database = database
        self._files = files
        self._pipelines = pipelines
        self._consequence = consequence
        self.models: dict[Place, Shelved] = {}
        self.setbacks: dict[Place, Setback] = {}

    def refresh(self, wanted: Mapping[Place, ActiveModel]) -> None:
        """Load what is new, and drop what is no longer wanted."""
        for place in self.models.keys() - wanted.keys():
            del self.models[place]
        for place, entry in wanted.items():
            if self._is_new(place, entry):
                self._load(place, entry)

    def _is_new(self, place: Place, entry: ActiveModel) -> bool:
        shelved = self.models.get(place)
        if shelved is not None and shelved.entry.id == entry.id:
            return False
        setback = self.setbacks.get(place)
        return setback is None or setback.model_id != entry.id or time.monotonic() >= setback.again_at

    def _load(self, place: Place, entry: ActiveModel) -> None:
        try:
            model = self._pipelines[entry.pipeline].load(self._files.get(entry.manifest))
        except Exception as error:  # a broken model may break in any way, and must not break what serves
            log.exception("model not loaded: what serves goes on", pipeline=entry.pipeline, model=entry.id)
            self._note_setback(place, entry, error)
            return
        self.models[place] = Shelved(entry, model)
        self.setbacks.pop(place, None)
        log.info("model serves", pipeline=entry.pipeline, surface=entry.surface, model=entry.id)

    def _note_setback(self, place: Place, entry: ActiveModel, error: Exception) -> None:
        before = self.setbacks.get(place)
        tries = before.tries + 1 if before is not None and before.model_id == entry.id else 1
        pause = min(_FIRST_RETRY_S * 2.0 ** (tries - 1), _LAST_RETRY_S)
        self.setbacks[place] = Setback(entry.id, tries, time.monotonic() + pause)
        if isinstance(error, UnavailableError) and tries < _PATIENCE:
            return
        self._files.forget(entry.manifest)
        self._alert(entry, error)

    def _alert(self, entry: ActiveModel, error: Exception) -> None:
        kept = self._consequence(self.models.get((entry.pipeline, entry.surface)))
        message = f"model {entry.version} of {entry.pipeline} could not be loaded ({error}); {kept}"
        data = {"pipeline": entry.pipeline, "surface": entry.surface, "error": type(error).__name__}
        try:
            with self._database.transaction() as conn:
                alerts.raise_once(conn, alerts.MODEL_UNREADABLE, entry.id, message, data)
        except UnavailableError as unavailable:  # the next try writes it
            log.warning("alert not written", model=entry.id, reason=unavailable.message)
