"""What a training needs: enough labelled pairs of both kinds, and no contradiction. The words are the seed's."""

from collections.abc import Iterator

from psycopg import Connection

from shared.contracts import Verdict
from shared.db import dedup
from shared.errors import ConflictError, RefusedError
from shared.gates import minimum_rows
from shared.pipeline import Row
from shared.pipelines.dedup.pair import label_of
from shared.pipelines.dedup.policy import policy
from shared.pipelines.dedup.prompt import MERGE


def require_labels(conn: Connection) -> dedup.LabelCounts:
    """Return what people have decided.

    Raises RefusedError without any, or with too few of a kind, and ConflictError while decisions contradict.
    """
    counts = dedup.label_counts(conn)
    if counts.conflicts:
        raise ConflictError(
            f"{counts.conflicts} pairs of decisions contradict each other: nothing is exported or trained until they"
            " are settled",
            advice="list them with dedup.conflicts, then undo or change a decision",
            code="conflicting-decisions",
            conflicts=counts.conflicts,
        )
    if not counts.merge and not counts.separate:
        raise RefusedError(
            "No training data available",
            code="no-training-data",
            advice="create manual merge decisions first: run clustering, review and approve or reject clusters, then"
            " try the export again",
        )
    least = policy().export.min_examples
    if min(counts.merge, counts.separate) < least:
        raise RefusedError(
            "Insufficient training data",
            code="insufficient-training-data",
            advice=f"at least {least} positive and {least} negative examples are needed: create more manual decisions",
            positive=counts.merge,
            negative=counts.separate,
            needed=least,
        )
    return counts


def warnings_of(counts: dedup.LabelCounts) -> list[str]:
    """Return what is allowed but not recommended, as plain sentences in ASCII."""
    wanted, told = policy().export.recommended_examples, []
    if min(counts.merge, counts.separate) < wanted:
        told.append(
            f"{counts.merge} positive and {counts.separate} negative examples: {wanted} of each are recommended"
        )
    if min(counts.merge_clusters, counts.separate_clusters) * 4 < max(counts.merge_clusters, counts.separate_clusters):
        told.append(
            f"labels come from {counts.merge_clusters} merged and {counts.separate_clusters} separated clusters: aim"
            " for as many of each"
        )
    return told


def eligible(_surface: str, rows: Iterator[Row]) -> tuple[Verdict, ...]:
    """Return the verdicts on the rows that a model was trained on: the seed's minimum of each label."""
    merged = separate = 0
    for row in rows:
        if label_of(row.label) == MERGE:
            merged += 1
        else:
            separate += 1
    least = policy().export.min_examples
    return (
        minimum_rows("positive_pairs", merged, least, what="pairs that people merged"),
        minimum_rows("negative_pairs", separate, least, what="pairs that people kept separate"),
    )
