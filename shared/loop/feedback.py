"""What people say about answers becomes ground truth: feedback afterwards, or an override with the query itself.

The review of labels (``shared/pipelines/router/review.py``) is the third way; the last word of all is the label.
"""

from psycopg import Connection

from shared.db import predictions, queries, reviews, router
from shared.db.ml_data import Source
from shared.db.predictions import Prediction
from shared.db.queries import Query
from shared.errors import NotFoundError
from shared.pipelines.router.contracts import NAME, Label
from shared.pipelines.router.review import LABELS_KIND
from shared.pipelines.router.truth import settle, words_of


def record_feedback(conn: Connection, query_id: str, label: Label, actor: str) -> str:
    """Store a person's label of an earlier query and return the example's id.

    A later word about the same query replaces the one before. Raises NotFoundError for an unknown query.
    """
    return _put(conn, query_id, label, source="feedback", actor=actor)


def record_override(conn: Connection, prediction: Prediction, query: Query, label: Label, actor: str) -> str:
    """Store an answer together with the label that the person gave with the query; return the example's id."""
    predictions.insert(conn, [prediction])
    queries.insert(conn, [query])
    return _put(conn, query.id, label, source="override", actor=actor)


def _put(conn: Connection, query_id: str, label: Label, *, source: Source, actor: str) -> str:
    reviews.lock(conn, NAME, LABELS_KIND, query_id)
    query = router.lock_query(conn, query_id)
    if query is None:
        raise NotFoundError(
            f"there is no query {query_id}", advice="send the queryId that POST /api/query answered with"
        )
    router.put_word(conn, query_id, label, source=source, said_by=actor)
    words = words_of(conn, query, reviews.standing(conn, NAME, LABELS_KIND, query_id))
    example = settle(conn, query, words)
    if example is None:
        raise AssertionError("a word was just said")
    return example
