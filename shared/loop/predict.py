"""Answers from the active models: what a serving process holds in memory, and how it follows promotions.

A thread asks the database four times a second which models are active, loads what is new beside what serves, and swaps
it in with one assignment: a call sees the old model or the new one, never half of each. A new model that cannot be read
changes nothing but an alert: the old one keeps answering, and the new one is tried again from time to time.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from shared.contracts import Path as AnswerPath
from shared.db import alerts
from shared.db.pool import Database
from shared.db.serving import ActiveModel, active_models
from shared.errors import UnavailableError
from shared.loop.answers import Answered, fallback_answer
from shared.loop.model_files import ModelFiles
from shared.pipeline import Answer, Loaded, Pipeline

__all__ = ["POLL_S", "Answered", "Predictor", "fallback_answer"]

log = structlog.get_logger()

POLL_S: Final = 0.25  # of the two seconds in which a promotion reaches everybody; the rest is for loading
_FIRST_RETRY_S: Final = 1.0
_LAST_RETRY_S: Final = 60.0
_PATIENCE: Final = 5  # failed downloads before a store that does not answer is worth an alert

_Surface = tuple[str, str]  # pipeline and surface


@dataclass(frozen=True, slots=True)
class _Serving:
    active: ActiveModel
    model: Loaded[Any, Any]


@dataclass(frozen=True, slots=True)
class _Setback:
    """A model that could not be loaded: how often it was tried, and when it is tried again (monotonic seconds)."""

    model_id: str
    tries: int
    again_at: float


class Predictor:
    """The models that one process serves. ``answer`` may be called from several threads."""

    def __init__(self, database: Database, files: ModelFiles, pipelines: Mapping[str, Pipeline[Any, Any]]) -> None:
        self._database = database
        self._files = files
        self._pipelines = pipelines
        self._serving: dict[_Surface, _Serving] = {}
        self._setbacks: dict[_Surface, _Setback] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="predictor", daemon=True)

    def start(self) -> None:
        """Load the active models, then follow promotions in a thread. Start it after a fork, never before."""
        for pipeline in self._pipelines.values():
            if pipeline.prepare_serving:
                pipeline.prepare_serving()
        self._look()
        self._thread.start()

    def stop(self) -> None:
        """Stop following promotions."""
        self._stopping.set()
        self._thread.join()

    def answer(self, pipeline_name: str, surface: str, raw_inputs: Sequence[Any]) -> list[Answered]:
        """Answer a batch, in order: with the active model, or with the pipeline's fallback where there is none.

        Raises InvalidInputError when an input breaks the pipeline's contract (the front has checked it before).
        """
        pipeline = self._pipelines[pipeline_name]
        inputs = [pipeline.parse_input(raw) for raw in raw_inputs]
        serving = self._serving.get((pipeline_name, surface))
        if serving is None:
            return [fallback_answer(pipeline, value) for value in inputs]
        try:
            return _with_model(pipeline, serving, inputs)
        except Exception:
            # Whatever one input does to the model, its neighbours in the batch must not suffer for it.
            log.exception("a batch failed", pipeline=pipeline_name, model=serving.active.id, inputs=len(inputs))
            return [_alone(pipeline, serving, value) for value in inputs]

    # --- following promotions ---------------------------------------------------------------------------------------

    def _follow(self) -> None:
        while not self._stopping.wait(POLL_S):
            self._look()

    def _look(self) -> None:
        try:
            self._refresh()
        except UnavailableError as error:
            log.warning("active models unknown: what serves goes on", reason=error.message)
        except Exception:
            # This thread must outlive anything: without it no promotion arrives.
            log.exception("active models unknown: what serves goes on")

    def _refresh(self) -> None:
        models = self._database.read(active_models)
        active = {(m.pipeline, m.surface): m for m in models if m.pipeline in self._pipelines}
        for surface in self._serving.keys() - active.keys():
            del self._serving[surface]  # deactivated: the fallback answers
        for surface, model in active.items():
            if self._is_new(surface, model):
                self._load(surface, model)

    def _is_new(self, surface: _Surface, model: ActiveModel) -> bool:
        serving = self._serving.get(surface)
        if serving is not None and serving.active.id == model.id:
            return False
        setback = self._setbacks.get(surface)
        return setback is None or setback.model_id != model.id or time.monotonic() >= setback.again_at

    def _load(self, surface: _Surface, active: ActiveModel) -> None:
        try:
            model = self._pipelines[active.pipeline].load(self._files.get(active.manifest))
        except Exception as error:  # a broken model may break in any way, and must not break what serves
            log.exception("model not loaded: what serves goes on", pipeline=active.pipeline, model=active.id)
            self._note_setback(surface, active, error)
            return
        self._serving[surface] = _Serving(active, model)
        self._setbacks.pop(surface, None)
        log.info("model serves", pipeline=active.pipeline, surface=active.surface, model=active.id)

    def _note_setback(self, surface: _Surface, active: ActiveModel, error: Exception) -> None:
        before = self._setbacks.get(surface)
        tries = before.tries + 1 if before is not None and before.model_id == active.id else 1
        pause = min(_FIRST_RETRY_S * 2.0 ** (tries - 1), _LAST_RETRY_S)
        self._setbacks[surface] = _Setback(active.id, tries, time.monotonic() + pause)
        if isinstance(error, UnavailableError) and tries < _PATIENCE:
            return
        self._files.forget(active.manifest)
        self._alert(active, error)

    def _alert(self, active: ActiveModel, error: Exception) -> None:
        serving = self._serving.get((active.pipeline, active.surface))
        kept = f"{serving.active.version} keeps answering" if serving else "the fallback answers"
        message = f"model {active.version} of {active.pipeline} could not be loaded ({error}); {kept}"
        data = {"pipeline": active.pipeline, "surface": active.surface, "error": type(error).__name__}
        try:
            with self._database.transaction() as conn:
                alerts.raise_once(conn, alerts.MODEL_UNREADABLE, active.id, message, data)
        except UnavailableError as unavailable:  # the next try writes it
            log.warning("alert not written", model=active.id, reason=unavailable.message)


def _with_model(pipeline: Pipeline[Any, Any], serving: _Serving, inputs: Sequence[Any]) -> list[Answered]:
    answers: Sequence[Answer[Any]] = serving.model.predict(inputs)
    return [
        Answered(
            output=pipeline.dump_output(answer.output),
            confidence=answer.confidence,
            path=AnswerPath.MODEL,
            model_id=serving.active.id,
            model_version=serving.active.version,
        )
        for answer in answers
    ]


def _alone(pipeline: Pipeline[Any, Any], serving: _Serving, value: Any) -> Answered:
    try:
        return _with_model(pipeline, serving, [value])[0]
    except Exception:
        log.exception("an input failed: its answer is the fallback", pipeline=pipeline.name, model=serving.active.id)
        return fallback_answer(pipeline, value)
