"""The step ``cluster``: which insights look alike, and the clusters that people are asked about.

Comparing is exact and incremental: each insight is compared once with all before it, what is found is kept tile by
tile, and an attempt that was killed goes on where it was. Clusters are then made anew from all neighbours, in seconds.
"""

from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from psycopg import Connection
from pydantic import Field

from shared.contracts import Contract, Queue
from shared.db import dedup
from shared.db.dedup import Clustered, ClusterRow, Neighbours, Scan
from shared.errors import RefusedError
from shared.ids import new_id
from shared.pipeline import Done, Run, Step
from shared.pipelines.dedup.clusters import Likeness, Members, Pair, fresh_ids, kept_ids, likeness, servable
from shared.pipelines.dedup.contracts import CLUSTER, NAME
from shared.pipelines.dedup.policy import Linkage, policy
from shared.pipelines.dedup.predicting import answerer
from shared.pipelines.dedup.thresholds import thresholds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNIQUE: Final = "dedup.cluster"
"""The key of all steps that change vectors or clusters: one at a time."""

_COMPARED: Final = 0.8
_LINKED: Final = 0.95
_VECTOR_HEADER: Final = 4
_SAME: Final = 1e-6  # the database keeps thresholds in single precision


class ClusterParams(Contract):
    """How alike insights must be. What is left out is as ``policy.toml`` says."""

    threshold: float | None = Field(
        default=None, gt=0, le=1, description="The least cosine of two insights that are looked at together."
    )
    linkage: Linkage | None = Field(
        default=None, description="Whether every two of a cluster must be as similar as that, or two parts on average."
    )
    assisted: bool = Field(
        default=False, description="Leave out pairs that the active model, asked by ask-neighbours, would not merge."
    )


class ClusterResult(Contract):
    """What was compared, and the clusters that are open now.

    ``new``, ``changed`` and ``retired`` are clusters, against those that were open before. ``left_out`` are clusters on
    which people decided in part while they were made; ``dropped`` are neighbours beyond the closest of an insight.
    """

    insights: int
    compared: int
    neighbours: int
    dropped: int
    clusters: int
    clustered_insights: int
    largest: int
    new: int
    changed: int
    retired: int
    left_out: int
    threshold: float
    linkage: Linkage
    embedding_model: str | None


class _Space(NamedTuple):
    """All insights of one model: the compared ones first, each part in the order in which they came."""

    ids: list[str]
    merged: "NDArray[np.bool_]"
    vectors: "NDArray[np.float32]"
    new_from: int


def cluster(run: Run, params: ClusterParams) -> Done:
    """Compare what is new with everything, and cluster everything.

    Raises RefusedError for vectors of several models, and for assistance without an active model.
    """
    rules = policy().clusters
    threshold, linkage = params.threshold or rules.threshold, params.linkage or rules.linkage
    model = only_model(run)
    empty = ClusterResult(
        insights=0, compared=0, neighbours=0, dropped=0, clusters=0, clustered_insights=0, largest=0, new=0, changed=0,
        retired=0, left_out=0, threshold=threshold, linkage=linkage, embedding_model=model,
    )  # fmt: skip
    if model is None:
        return Done(result=empty)
    scan = _scan(run, Scan(embedding_model=model, threshold=threshold, max_neighbours=rules.max_neighbours))
    run.report(0.01, "reading vectors")
    with run.reading() as conn:
        space = _read(conn, model)
    dropped = _compare(run, space, scan)
    how = Clustered(embedding_model=model, linkage=linkage, threshold=threshold, job_id=run.job_id)
    groups, neighbours = _link(run, space, how, _apart(run, threshold, assisted=params.assisted))
    result = empty.model_copy(
        update={
            "insights": len(space.ids), "compared": len(space.ids) - space.new_from, "neighbours": neighbours,
            "dropped": dropped,
        }
    )  # fmt: skip
    return Done(result=result, record=partial(_record, groups=groups, how=how, result=result))


def only_model(run: Run) -> str | None:
    """Return the model of all stored vectors, None when there are none. Raises RefusedError for several."""
    with run.reading() as conn:
        models = dedup.embedding_models(conn)
    if len(models) > 1:
        raise RefusedError(
            f"the insights have vectors of {len(models)} models, which cannot be compared: {', '.join(models)}",
            advice="run dedup.reembed, which gives all of them vectors of one",
            code="embeddings-mixed",
        )
    return models[0] if models else None


# --- comparing --------------------------------------------------------------------------------------------------------


def _scan(run: Run, wanted: Scan) -> Scan:
    """Return which neighbours are known or will be; begin again where fewer are known than are wanted."""
    with run.reading() as conn:
        known = dedup.find_scan(conn, wanted.embedding_model)
    if known and known.threshold <= wanted.threshold + _SAME and known.max_neighbours >= wanted.max_neighbours:
        return known
    with run.fenced() as conn:
        dedup.begin_scan(conn, wanted)
    return wanted


def _read(conn: Connection, model: str) -> _Space:
    """Read all vectors; those that come in meanwhile are for the next run.

    Raises RefusedError for vectors of different sizes.
    """
    import numpy as np

    known, new, dimensions = dedup.count_vectors(conn, model)
    vectors = np.empty((known + new, dimensions), np.float32)
    merged = np.zeros(known + new, np.bool_)
    ids: list[str] = []
    read = 0
    for compared, limit in ((True, known), (False, new)):
        new_from = len(ids)
        for row in dedup.vectors(conn, model, compared=compared, limit=limit):
            numbers = np.frombuffer(row.embedding, dtype=">f4", offset=_VECTOR_HEADER)
            if len(numbers) != dimensions:
                raise RefusedError(
                    f"vectors of {model} have {len(numbers)} and {dimensions} numbers", advice="run dedup.reembed"
                )
            vectors[read], merged[read] = numbers, row.merged
            ids.append(row.id)
            read += 1
    return _Space(ids, merged[:read], vectors[:read], new_from)


def _compare(run: Run, space: _Space, scan: Scan) -> int:
    """Find the neighbours of the new insights; return how many were too many. Each tile's are kept at once."""
    from shared.pipelines.dedup.neighbours import compared

    dropped = 0
    work = len(space.ids) ** 2 - space.new_from**2
    for tile in compared(space.vectors, scan.threshold, space.new_from, scan.max_neighbours):
        sides = tile.first.tolist(), tile.second.tolist(), tile.similarity.tolist()
        found = (_neighbours(space.ids[i], space.ids[j], cosine) for i, j, cosine in zip(*sides, strict=True))
        with run.fenced() as conn:
            dedup.put_compared(conn, scan.embedding_model, space.ids[tile.start : tile.stop], found)
        dropped += tile.dropped
        done = (tile.stop**2 - space.new_from**2) / work
        run.report(0.02 + done * (_COMPARED - 0.02), "comparing", compared=tile.stop - space.new_from)
    return dropped


def _neighbours(one: str, other: str, similarity: float) -> Neighbours:
    return Neighbours(min(one, other), max(one, other), similarity)


# --- linking ----------------------------------------------------------------------------------------------------------


def _apart(run: Run, threshold: float, *, assisted: bool) -> set[Pair]:
    """Return the pairs that are not to be in one cluster, as people or (assisted) the active model have said."""
    with run.reading() as conn:
        apart = dedup.kept_apart(conn)
        if assisted:
            who = answerer(conn)
            if who is None:
                raise RefusedError("dedup has no active model to assist", advice="cluster without it", code="no-model")
            apart |= dedup.unlikely_pairs(conn, who.id, threshold - _SAME, thresholds(conn).propose)
    return apart


def _link(run: Run, space: _Space, how: Clustered, apart: Collection[Pair]) -> tuple[dict[Members, Likeness], int]:
    """Return the clusters, each with how alike it is, and how many pairs of neighbours they were made of."""
    import numpy as np

    from shared.pipelines.dedup.linkage import Graph, clusters

    run.report(_COMPARED, "reading neighbours")
    # what was merged is spoken for
    places = {insight_id: place for place, insight_id in enumerate(space.ids) if not space.merged[place]}
    first, second, similarity = [], [], []
    with run.reading() as conn:
        for a, b, cosine in dedup.near_pairs(conn, how.embedding_model, how.threshold - _SAME):
            if a in places and b in places:
                low, high = sorted((places[a], places[b]))
                first.append(low)
                second.append(high)
                similarity.append(cosine)
    graph = Graph(
        space.vectors, np.array(first, np.int64), np.array(second, np.int64), np.array(similarity, np.float32)
    )  # fmt: skip
    run.report(_COMPARED, "clustering", neighbours=len(first))
    found = clusters(
        graph, linkage=how.linkage, threshold=how.threshold, max_size=policy().clusters.max_size,
        apart=[(places[a], places[b]) for a, b in apart if a in places and b in places],
    )  # fmt: skip
    run.report(_LINKED, "writing clusters", clusters=len(found))
    groups = {
        tuple(sorted(space.ids[place] for place in group)): likeness(space.vectors[group]) for group in found
    }  # fmt: skip
    return groups, len(first)


# --- writing ----------------------------------------------------------------------------------------------------------


def _record(
    conn: Connection, *, groups: Mapping[Members, Likeness], how: Clustered, result: ClusterResult
) -> ClusterResult:
    """Write the clusters under ids that stay, but none on which people have decided since they were made."""
    dedup.lock_open_clusters(conn)
    dedup.lock_labels(conn)
    merged = dedup.merged_among(conn, [member for group in groups for member in group])
    standing = servable(groups, dedup.kept_apart(conn), merged)
    known = dedup.changeable_clusters(conn)
    kept = kept_ids(standing, {cluster_id: stored.members for cluster_id, stored in known.items()})
    named = _named(conn, standing, kept)
    same = [group for group in standing if named[group] in known and known[named[group]].members == group]
    others = set(standing) - set(same)
    retired = known.keys() - set(kept.values())
    dedup.retire_clusters(conn, sorted(retired))
    dedup.put_clusters(conn, [_row(named[group], group, groups[group]) for group in standing if group in others], how)
    dedup.refresh_clusters(conn, [_row(named[group], group, groups[group]) for group in same], how)
    return result.model_copy(
        update={
            "clusters": len(standing),
            "clustered_insights": sum(map(len, standing)),
            "largest": max(map(len, standing), default=0),
            "new": len(standing) - len(kept),
            "changed": len(kept) - len(same),
            "retired": len(retired),
            "left_out": len(groups) - len(standing),
        }
    )


def _named(conn: Connection, groups: list[Members], kept: Mapping[Members, str]) -> dict[Members, str]:
    """Return every group's id: its cluster's, or the first fresh one that is free or was a cluster's just like it."""
    fresh = {group: fresh_ids(group) for group in groups if group not in kept}
    stored = dedup.stored_clusters(conn, [each for ids in fresh.values() for each in ids])
    named = dict(kept)
    for group, ids in fresh.items():
        free = (each for each in ids if each not in stored or stored[each] == ("retired", group))
        named[group] = next(free, None) or new_id(CLUSTER)
    return named


def _row(cluster_id: str, members: Members, alike: Likeness) -> ClusterRow:
    return ClusterRow(
        id=cluster_id, members=members, similarity_min=alike.least, similarity_mean=alike.mean,
        similarity_max=alike.greatest,
    )  # fmt: skip


CLUSTER_STEPS: Final[tuple[Step[ClusterParams], ...]] = (
    Step(
        pipeline=NAME,
        name="cluster",
        summary="Find insights that look alike, and put them into clusters for people to decide on.",
        queue=Queue.GPU,
        params=ClusterParams,
        run=cluster,
        unique_key=lambda _: UNIQUE,
    ),
)
