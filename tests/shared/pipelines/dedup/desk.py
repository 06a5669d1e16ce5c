"""Dedup as people use it: statements come in, people decide, labels are there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared import ids
from shared.contracts import JsonObject
from shared.files import upload_manifest, uploads_of
from shared.loop import review
from shared.pipelines.dedup.contracts import CLUSTER, CLUSTERS, insight_id
from shared.registry import get_pipeline
from shared.review import Item
from tests.support.school import School

PERSON = "Ada"


@dataclass(frozen=True)
class Desk(School):
    """A database with dedup's tables, and people who decide."""

    pipeline: str = "dedup"

    # --- data

    def upload(self, content: bytes) -> str:
        return uploads_of(self.store).publish(upload_manifest(uploads_of(self.store).put(content)))

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.database.reading() as conn:
            return conn.execute(query.encode(), values).fetchall()

    def change(self, statement: str, *values: Any) -> None:
        with self.database.transaction() as conn:
            conn.execute(statement.encode(), values)

    def insight(self, statement: str, vector: Sequence[float] = (1.0, 0.0)) -> str:
        """Store an insight, past the ingest."""
        found = insight_id(statement)
        self.change(
            "INSERT INTO insights (id, statement, embedding, embedding_model) VALUES (%s, %s, %s::vector, 'made@1')"
            " ON CONFLICT DO NOTHING",
            found, statement, str(list(vector)),
        )  # fmt: skip
        return found

    def cluster(self, *statements: str, similarity: float = 0.9, probability: float | None = None) -> str:
        """Store an open cluster of these statements, past the clustering."""
        cluster_id = ids.content_id(CLUSTER, *statements)
        self.change(
            "INSERT INTO clusters (id, origin, embedding_model, linkage, threshold, similarity_min, similarity_mean,"
            " similarity_max, merge_probability) VALUES (%s, 'clustering', 'made@1', 'complete', 0.8, %s, %s, %s, %s)",
            cluster_id, similarity, similarity, similarity, probability,
        )  # fmt: skip
        for statement in statements:
            self.change("INSERT INTO cluster_members VALUES (%s, %s)", cluster_id, self.insight(statement))
        return cluster_id

    # --- people

    def waiting(self, limit: int = 50, *, kind: str = CLUSTERS, by: str = PERSON) -> list[Item]:
        with self.database.transaction() as conn:
            return list(review.next_items(conn, get_pipeline("dedup"), kind, reviewer=by, limit=limit))

    def decide(
        self, item: str, decision: str, *subset: str, kind: str = CLUSTERS, by: str = PERSON, seen: Sequence[str] = ()
    ) -> JsonObject:  # fmt: skip
        """Decide on a cluster or a merge; ``subset`` and ``seen`` are statements."""
        told: JsonObject = {"decision": decision}
        if seen:
            told["seen"] = [insight_id(statement) for statement in seen]
        if subset:
            told["subset"] = [insight_id(statement) for statement in subset]
        with self.database.transaction() as conn:
            return review.decide(conn, get_pipeline("dedup"), kind, item, reviewer=by, decision=told)[1]

    def undo(self, item: str, *, kind: str = CLUSTERS, by: str = PERSON) -> JsonObject:
        with self.database.transaction() as conn:
            return review.undo(conn, get_pipeline("dedup"), kind, item, reviewer=by, by=by)[1]

    def reveal(self, item: str, *, kind: str = CLUSTERS, by: str = PERSON) -> JsonObject:
        with self.database.transaction() as conn:
            return review.reveal(conn, get_pipeline("dedup"), kind, item, reviewer=by)

    def labels(self) -> dict[frozenset[str], str]:
        """The labels by statements."""
        found = self.rows(
            "SELECT i.statement, j.statement, p.label FROM pairs p JOIN insights i ON i.id = p.a"
            " JOIN insights j ON j.id = p.b"
        )
        return {frozenset((a, b)): label for a, b, label in found}

    def merged(self) -> dict[str, str]:
        """Which statements are merged into which."""
        found = self.rows(
            "SELECT i.statement, j.statement FROM insights i JOIN insights j ON j.id = i.merged_into ORDER BY 1"
        )
        return dict(found)
