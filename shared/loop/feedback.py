"""What people say about answers becomes ground truth: feedback afterwards, or an override with the query itself."""

from psycopg import Connection

from shared.db import ml_data, predictions, queries
from shared.db.ml_data import NewLabel, Source
from shared.db.predictions import Prediction
from shared.db.queries import Query
from shared.pipelines.router.contracts import Label, example_id, group_of


def record_feedback(conn: Connection, query_id: str, label: Label, actor: str) -> str:
    """Store a person's label of an earlier query and return the example's id.

    A later word about the same query replaces the one before. Raises NotFoundError for an unknown query.
    """
    text = queries.text_of(conn, query_id)
    return _put(conn, query_id, text, label, source="feedback", actor=actor)


def record_override(conn: Connection, prediction: Prediction, query: Query, label: Label, actor: str) -> str:
    """Store an answer together with the label that the person gave with the query; return the example's id."""
    predictions.insert(conn, [prediction])
    queries.insert(conn, [query])
    return _put(conn, query.id, query.query, label, source="override", actor=actor)


def _put(conn: Connection, query_id: str, text: str, label: Label, *, source: Source, actor: str) -> str:
    example = example_id(text, label, query_id)
    ml_data.put_label(
        conn,
        NewLabel(
            id=example,
            query=text,
            group_key=group_of(text),
            label=label,
            source=source,
            query_id=query_id,
            labelled_by=actor,
        ),
    )
    return example
