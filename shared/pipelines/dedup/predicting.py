"""Whether two statements are to be merged: asked of whoever answers now, and of their similarity where nobody does.

The same two statements are one question whichever comes first, and their answer is found again in the cache of
completions. A provider that is down costs a batch one wait: its other pairs take the fallback at once.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog
from psycopg import Connection

from shared import ids
from shared.contracts import Path
from shared.db import dedup
from shared.errors import InvalidInputError, RefusedError, UnavailableError
from shared.pipeline import Run
from shared.pipelines.dedup.contracts import insight_id, read_statement
from shared.pipelines.dedup.fallback import fallback
from shared.pipelines.dedup.pair import Pair, pair_of

if TYPE_CHECKING:
    from shared.pipelines.dedup.model import PairModel

log = structlog.get_logger()

NO_MODEL: Final = "no-model"
UNREADABLE: Final = "unreadable-answer"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A pair and the ids of its two statements, in whichever order: of insights, or of what would be insights."""

    one: str
    two: str
    pair: Pair


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Whether to merge a pair, and how surely (0 to 1). ``similarity`` is the cosine that was given.

    ``path`` is ``model``, ``cache`` or ``fallback``; ``model_id`` is None on the last, and ``reason`` says why.
    """

    id: str
    asked: Asked
    should_merge: bool
    confidence: float
    merge_probability: float
    path: Path
    model_id: str | None
    reason: str
    at: datetime

    @property
    def by_model(self) -> bool:
        """Whether a model gave it."""
        return self.path is not Path.FALLBACK


def predict_merge_decision(a: str, b: str, similarity: float | None, *, run: Run) -> Prediction:
    """Return whether two statements are to be merged, and write the prediction down.

    Symmetric in ``a`` and ``b``. Raises InvalidInputError for a text that is no statement; a provider that is down
    raises nothing.
    """
    one, two = read_statement(a), read_statement(b)
    asked = Asked(one=insight_id(one), two=insight_id(two), pair=pair_of(one, two, similarity))
    with run.reading() as conn:
        who = answerer(conn)
    (found,) = predict_pairs(who, [asked], job_id=run.job_id)
    with run.fenced() as conn:
        record(conn, [found])
    return found


def answerer(conn: Connection) -> dedup.Answerer | None:
    """Return the active model; None: there is none, or dedup is pinned to its fallback."""
    return dedup.answerer(conn)


def predict_pairs(who: dedup.Answerer | None, pairs: Sequence[Asked], *, job_id: str | None = None) -> list[Prediction]:
    """Return a prediction of each pair, in order. Blocks while it waits: call it with no transaction open."""
    if who is None:
        return [_fallen_back(asked, NO_MODEL) for asked in pairs]
    try:
        from shared.pipelines.dedup.model import named

        model = named(who.provider_model, who.provider, job_id=job_id)
    except (RefusedError, InvalidInputError) as error:
        log.warning("the active model cannot be asked", model=who.id, code=error.instance_code)
        return [_fallen_back(asked, error.instance_code) for asked in pairs]
    batch = _Batch(who, model)
    return model.completions.each(batch.predict, pairs)


def record(conn: Connection, predictions: Sequence[Prediction]) -> None:
    """Write predictions down; each is written once, however often it is told."""
    rows = [
        dedup.PairPrediction(
            id=found.id,
            insight1_id=found.asked.one,
            insight2_id=found.asked.two,
            similarity=found.asked.pair.similarity or 0.0,
            should_merge=found.should_merge,
            merge_probability=found.merge_probability,
            confidence=found.confidence,
            model_id=found.model_id,
            path=found.path.value,
            output={"should_merge": found.should_merge, "merge_probability": found.merge_probability},
            at=found.at,
        )
        for found in predictions
    ]
    dedup.put_predictions(conn, rows)


class _Batch:
    """Asks one model about many pairs, and leaves it alone once it is known not to answer."""

    def __init__(self, who: dedup.Answerer, model: "PairModel") -> None:
        self._who = who
        self._model = model
        self._down = threading.Event()
        self._why = ""

    def predict(self, asked: Asked) -> Prediction:
        """Return a prediction of one pair."""
        if self._down.is_set():
            return _fallen_back(asked, self._why)
        try:
            said = self._model.ask(asked.pair)
        except (UnavailableError, RefusedError) as error:
            log.warning("no answer about a pair", model=self._who.id, code=error.instance_code)
            self._why = error.instance_code
            self._down.set()
            return _fallen_back(asked, self._why)
        if said.answer is None:
            return _fallen_back(asked, UNREADABLE)
        return Prediction(
            id=ids.new_id(ids.PREDICTION),
            asked=asked,
            should_merge=said.answer.should_merge,
            confidence=said.confidence,
            merge_probability=said.answer.merge_probability,
            path=said.path,
            model_id=self._who.id,
            reason="",
            at=datetime.now(UTC),
        )


def _fallen_back(asked: Asked, reason: str) -> Prediction:
    answer = fallback(asked.pair)
    return Prediction(
        id=ids.new_id(ids.PREDICTION),
        asked=asked,
        should_merge=answer.output.should_merge,
        confidence=answer.confidence,
        merge_probability=answer.output.merge_probability,
        path=Path.FALLBACK,
        model_id=None,
        reason=reason,
        at=datetime.now(UTC),
    )
