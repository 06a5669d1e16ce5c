"""Answers from the active models: what a serving process holds in memory, and how it follows promotions.

A thread asks the database four times a second who answers, loads what is new beside what serves (``loop/shelf.py``),
and swaps it in with one assignment: a call sees the old model or the new one, never half of each.

Where a canary has a share of the traffic, both models answer its inputs: the canary's answers go out, and the thread
writes both down for comparison. A surface that is pinned answers with its fallback.
"""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import structlog

from shared.answering import Standing
from shared.contracts import Path as AnswerPath
from shared.db import canaries
from shared.db.canaries import Pair
from shared.db.pool import Database
from shared.db.serving import Share, answerers
from shared.errors import UnavailableError
from shared.loop.answers import Answered, fallback_answer
from shared.loop.serving import compare, has_share, key_of
from shared.loop.shelf import Place, Shelf, Shelved
from shared.model_files import ModelFiles
from shared.pipeline import Answer, Pipeline

__all__ = ["POLL_S", "Answered", "Predictor", "fallback_answer"]

log = structlog.get_logger()

POLL_S: Final = 0.25  # of the two seconds in which a promotion reaches everybody; the rest is for loading
_UNWRITTEN: Final = 10_000  # pairs that are kept while the database is away; then the oldest are lost
_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Canary:
    shelved: Shelved
    share: Share

    def takes(self, key: str) -> bool:
        return has_share(self.share.model.id, self.share.percent, key)


class Predictor:
    """The models that one process serves. ``answer`` may be called from several threads."""

    def __init__(self, database: Database, files: ModelFiles, pipelines: Mapping[str, Pipeline[Any, Any]]) -> None:
        self._database = database
        self._pipelines = pipelines
        self._active = Shelf(database, files, pipelines, _without_new)
        self._candidates = Shelf(database, files, pipelines, lambda _: "it gets no share of the traffic")
        self._canaries: dict[Place, _Canary] = {}
        self._pinned: frozenset[Place] = frozenset()
        self._pairs: deque[Pair] = deque(maxlen=_UNWRITTEN)
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
        """Stop following promotions, and write down what is still to be compared."""
        self._stopping.set()
        self._thread.join()
        self._look()

    def answer(self, pipeline_name: str, surface: str, raw_inputs: Sequence[Any]) -> list[Answered]:
        """Answer a batch, in order: with the active model or a canary, or with the fallback where there is none.

        Raises InvalidInputError when an input breaks the pipeline's contract (the front has checked it before).
        """
        pipeline = self._pipelines[pipeline_name]
        inputs = [pipeline.parse_input(raw) for raw in raw_inputs]
        place = (pipeline_name, surface)
        if place in self._pinned:
            return [fallback_answer(pipeline, value) for value in inputs]
        answers = self._answers(pipeline, place, inputs)
        canary = self._canaries.get(place)
        return answers if canary is None else self._shared(pipeline, canary, raw_inputs, inputs, answers)

    def _answers(self, pipeline: Pipeline[Any, Any], place: Place, inputs: Sequence[Any]) -> list[Answered]:
        shelved = self._active.models.get(place)
        if pipeline.serve is None:
            return _answers(pipeline, shelved, inputs)
        standing = Standing(
            surface=place[1],
            model=shelved.model if shelved else None,
            model_id=shelved.entry.id if shelved else None,
            version=shelved.entry.version if shelved else None,
            expected=shelved is not None or place in self._active.setbacks,
        )
        return list(pipeline.serve(standing, inputs))

    def _shared(
        self,
        pipeline: Pipeline[Any, Any],
        canary: _Canary,
        raw_inputs: Sequence[Any],
        inputs: Sequence[Any],
        answers: list[Answered],
    ) -> list[Answered]:
        """Let the canary answer the inputs of its share; where it breaks, the active model's answer stands."""
        keys = [key_of(raw) for raw in raw_inputs]
        its = [number for number, key in enumerate(keys) if canary.takes(key)]
        if not its:
            return answers
        for number, answer in zip(its, _answers(pipeline, canary.shelved, [inputs[n] for n in its]), strict=True):
            self._pairs.append(compare(canary.share.canary_id, keys[number], answer, answers[number]))
            if answer.path is not AnswerPath.FALLBACK:
                answers[number] = answer
        return answers

    # --- following promotions ---------------------------------------------------------------------------------------

    def _follow(self) -> None:
        while not self._stopping.wait(POLL_S):
            self._look()

    def _look(self) -> None:
        try:
            self._refresh()
            self._write_pairs()
        except UnavailableError as error:
            log.warning("active models unknown: what serves goes on", reason=error.message)
        except Exception:
            # This thread must outlive anything: without it no promotion arrives.
            log.exception("active models unknown: what serves goes on")

    def _refresh(self) -> None:
        now = self._database.read(answerers)
        self._pinned = now.pinned
        self._active.refresh({(m.pipeline, m.surface): m for m in now.active if m.pipeline in self._pipelines})
        shares = {(s.model.pipeline, s.model.surface): s for s in now.shares if s.model.pipeline in self._pipelines}
        self._candidates.refresh({place: share.model for place, share in shares.items()})
        self._canaries = {
            place: _Canary(shelved, shares[place])
            for place, shelved in self._candidates.models.items()
            if shelved.entry.id == shares[place].model.id  # else it could not be loaded: nobody else has its share
        }

    def _write_pairs(self) -> None:
        while self._pairs:
            pairs = [self._pairs.popleft() for _ in range(min(len(self._pairs), _AT_ONCE))]
            try:
                with self._database.transaction() as conn:
                    canaries.insert_pairs(conn, pairs)
            except UnavailableError:
                self._pairs.extendleft(reversed(pairs))
                raise
            except (psycopg.Error, ValueError) as error:  # by type alone: the message may quote an answer
                log.warning("pairs refused by the database", count=len(pairs), error=type(error).__name__)


def _without_new(serving: Shelved | None) -> str:
    return f"{serving.entry.version} keeps answering" if serving else "the fallback answers"


def _answers(pipeline: Pipeline[Any, Any], serving: Shelved | None, inputs: Sequence[Any]) -> list[Answered]:
    """Answer with a model; an input that breaks it gets the fallback, as all do without a model."""
    if serving is None:
        return [fallback_answer(pipeline, value) for value in inputs]
    try:
        return _with_model(pipeline, serving, inputs)
    except Exception:
        # Whatever one input does to the model, its neighbours in the batch must not suffer for it.
        log.exception("a batch failed", pipeline=pipeline.name, model=serving.entry.id, inputs=len(inputs))
        return [_alone(pipeline, serving, value) for value in inputs]


def _with_model(pipeline: Pipeline[Any, Any], serving: Shelved, inputs: Sequence[Any]) -> list[Answered]:
    answers: Sequence[Answer[Any]] = serving.model.predict(inputs)
    return [
        Answered(
            output=pipeline.dump_output(answer.output),
            confidence=answer.confidence,
            path=AnswerPath.MODEL,
            model_id=serving.entry.id,
            model_version=serving.entry.version,
        )
        for answer in answers
    ]


def _alone(pipeline: Pipeline[Any, Any], serving: Shelved, value: Any) -> Answered:
    try:
        return _with_model(pipeline, serving, [value])[0]
    except Exception:
        log.exception("an input failed: its answer is the fallback", pipeline=pipeline.name, model=serving.entry.id)
        return fallback_answer(pipeline, value)
