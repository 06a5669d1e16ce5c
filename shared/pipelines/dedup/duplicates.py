"""Whether a statement says what an insight says already: its nearest insights, and a prediction for each of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg import Connection

from shared.db.dedup import Near
from shared.pipeline import Run
from shared.pipelines.dedup.contracts import insight_id, read_statement
from shared.pipelines.dedup.embedding import embed_statements
from shared.pipelines.dedup.pair import pair_of
from shared.pipelines.dedup.policy import policy
from shared.pipelines.dedup.predicting import Asked, Prediction, answerer, predict_pairs, record
from shared.pipelines.dedup.searching import Search
from shared.pipelines.dedup.thresholds import Course, Thresholds, thresholds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """A normalised statement and its vector (float32, of length 1)."""

    statement: str
    vector: "NDArray[np.float32]" = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class DuplicateCheck:
    """What was found out about a statement, and what follows from it.

    ``existing_insight_id`` is the insight that says the same; None where none does (``course`` is then ``new``). Its
    prediction is ``prediction``; ``predictions`` are all that were made, to be recorded.
    """

    insight_id: str
    course: Course
    existing_insight_id: str | None
    prediction: Prediction | None
    predictions: tuple[Prediction, ...]

    @property
    def should_merge(self) -> bool:
        """Whether it is to be linked to the existing insight without asking anybody."""
        return self.course == "merge"

    @property
    def confidence(self) -> float:
        """How surely, 0 to 1."""
        return self.prediction.confidence if self.prediction else 0.0


def check_for_semantic_duplicate(statement: str, *, run: Run) -> DuplicateCheck:
    """Return whether an insight says the same as a statement, which is embedded for it; write the predictions down.

    Raises InvalidInputError for a text that is no statement, and what embedding raises.
    """
    plain = read_statement(statement)
    embedded = embed_statements([plain], job_id=run.job_id)
    (found,) = check_many(run, [Incoming(statement=plain, vector=embedded.vectors[0])], embedded.model)
    with run.fenced() as conn:
        record(conn, found.predictions)
    return found


def check_many(
    run: Run, incoming: Sequence[Incoming], embedding_model: str, search: Search | None = None,
    *, together: bool = False,
) -> list[DuplicateCheck]:  # fmt: skip
    """Check statements against the insights that there are now, in order. Records nothing: the caller does.

    Who checks many, batch by batch, passes a ``search`` that is kept between them. ``together``: each is compared with
    those before it too, as if they were insights already.
    One transaction reads all neighbours, then all pairs are asked about at once with none open. A provider that is
    down raises nothing: similarities answer, which merge nothing by themselves.
    """
    rules = policy().ingest
    with run.reading() as conn:
        who, limits = answerer(conn), thresholds(conn)
        near = _nearest(conn, incoming, search or Search(embedding_model, most_bytes=0), together=together)
    asked = [
        [
            Asked(
                one=insight_id(each.statement),
                two=found.insight_id,
                pair=pair_of(each.statement, found.statement, found.similarity),
            )
            for found in found_near
            if found.similarity >= rules.min_similarity
        ]
        for each, found_near in zip(incoming, near, strict=True)
    ]
    predictions = iter(predict_pairs(who, [pair for pairs in asked for pair in pairs], job_id=run.job_id))
    return [
        _conclude(insight_id(each.statement), [next(predictions) for _ in pairs], limits)
        for each, pairs in zip(incoming, asked, strict=True)
    ]


def _nearest(
    conn: Connection, incoming: Sequence[Incoming], search: Search, *, together: bool
) -> list[list[Near]]:  # fmt: skip
    import numpy as np

    if not incoming:
        return []
    count = policy().ingest.candidates
    vectors, own = np.stack([each.vector for each in incoming]), [insight_id(each.statement) for each in incoming]
    found = search.nearest(conn, vectors, count, own)
    if not together:
        return found
    cosines = vectors @ vectors.T
    return [
        sorted([*near, *_before(incoming, own, cosines[place, :place], count)], key=_by_nearness)[:count]
        for place, near in enumerate(found)
    ]


def _before(
    incoming: Sequence[Incoming], own: Sequence[str], cosines: "NDArray[np.float32]", count: int
) -> list[Near]:  # fmt: skip
    """Return the nearest of the first statements, as many as there are cosines."""
    import numpy as np

    return [
        Near(insight_id=own[place], statement=incoming[place].statement, similarity=float(cosines[place]))
        for place in np.argsort(-cosines, kind="stable")[:count]
    ]


def _by_nearness(near: Near) -> tuple[float, str]:
    return (-near.similarity, near.insight_id)


def _conclude(statement_id: str, predictions: Sequence[Prediction], limits: Thresholds) -> DuplicateCheck:
    """Choose the likeliest merge; of equally likely ones the most similar, then the first by id."""
    merges = [found for found in predictions if found.should_merge]
    best = min(merges, key=_rank, default=None)
    course: Course = "new"
    if best is not None:
        course = limits.course(should_merge=True, confidence=best.confidence, by_model=best.by_model)
    existing = best.asked.two if best is not None and course != "new" else None
    return DuplicateCheck(
        insight_id=statement_id,
        course=course,
        existing_insight_id=existing,
        prediction=best,
        predictions=tuple(predictions),
    )


def _rank(found: Prediction) -> tuple[float, float, str]:
    return (-found.merge_probability, -(found.asked.pair.similarity or 0.0), found.asked.two)
