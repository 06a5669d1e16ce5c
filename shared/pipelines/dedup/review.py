"""What people decide on: clusters of insights, and merges that a model has made. Blind: no score is shown with either.

Only what people say here becomes a label.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from psycopg import Connection
from pydantic import BaseModel

from shared.contracts import JsonObject
from shared.db import dedup
from shared.db.dedup import Told
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.pipelines.dedup.contracts import CLUSTERS, MERGES, ClusterDecision, MergeDecision
from shared.pipelines.dedup.deciding import settle_votes, votes_of
from shared.pipelines.dedup.labels import expand
from shared.pipelines.dedup.policy import policy
from shared.review import Item, Response, Review

# --- clusters -------------------------------------------------------------------------------------------------------


def _waiting_clusters(conn: Connection, reviewer: str, limit: int) -> Sequence[Item]:
    line = policy().similarity
    found = dedup.waiting_clusters(conn, reviewer, limit, enough=_enough(), even=line.midpoint, slope=line.slope)
    return _items(found, dedup.told_clusters(conn, found))


def _count_clusters(conn: Connection, cap: int) -> int:
    return dedup.count_waiting_clusters(conn, cap, _enough())


def _show_cluster(conn: Connection, cluster_id: str) -> Item:
    return _only(_items([cluster_id], dedup.told_clusters(conn, [cluster_id])), cluster_id)


def _reveal_cluster(conn: Connection, cluster_id: str) -> JsonObject:
    scores = dedup.cluster_scores(conn, cluster_id)
    if scores is None:
        raise _no_such(cluster_id)
    return vars(scores)


def _check_cluster(conn: Connection, cluster_id: str, decision: BaseModel) -> None:
    state = dedup.lock_cluster(conn, cluster_id)
    if state is None:
        raise _no_such(cluster_id)
    if state == "retired":
        raise ConflictError(
            f"the cluster {cluster_id} is no more: its insights are in others now",
            advice="ask for the next clusters",
            code="cluster-retired",
        )
    members = set(dedup.members_of(conn, cluster_id))
    decided = ClusterDecision.model_validate(decision.model_dump())
    if decided.seen and set(decided.seen) != members:
        raise ConflictError(
            f"the cluster {cluster_id} has other insights by now than the person saw",
            advice="look at it again, then decide",
            code="cluster-changed",
        )
    subset = set(decided.subset)
    if subset - members:
        raise InvalidInputError(
            "subset names insights that are not in the cluster", advice="name some of its own", code="not-in-cluster"
        )
    if subset == members:
        raise InvalidInputError("subset is the whole cluster", advice="approve it instead", code="not-partial")


def _settle_cluster(conn: Connection, cluster_id: str, responses: Sequence[Response]) -> JsonObject:
    members = dedup.members_of(conn, cluster_id)
    votes = [
        vote
        for response in responses
        for vote in votes_of(cluster_id, response, expand(members, ClusterDecision.model_validate(response.decision)))
    ]
    enough = len(responses) >= _enough()
    dedup.set_cluster_state(conn, cluster_id, "decided" if enough else "open")
    return {"responses": len(responses), "decided": enough, **settle_votes(conn, cluster_id, votes)}


# --- merges by a model ----------------------------------------------------------------------------------------------


def _waiting_merges(conn: Connection, reviewer: str, limit: int) -> Sequence[Item]:
    found = dedup.waiting_merges(conn, reviewer, limit, _enough())
    return _items(found, dedup.told_merges(conn, found))


def _count_merges(conn: Connection, cap: int) -> int:
    return dedup.count_waiting_merges(conn, cap, _enough())


def _show_merge(conn: Connection, merged_id: str) -> Item:
    return _only(_items([merged_id], dedup.told_merges(conn, [merged_id])), merged_id)


def _reveal_merge(conn: Connection, merged_id: str) -> JsonObject:
    merged = dedup.find_merged(conn, merged_id)
    if merged is None:
        raise _no_such(merged_id)
    return vars(merged)


def _check_merge(conn: Connection, merged_id: str, decision: BaseModel) -> None:
    MergeDecision.model_validate(decision.model_dump())
    if dedup.lock_merged(conn, merged_id) is None:
        raise _no_such(merged_id)


def _settle_merge(conn: Connection, merged_id: str, responses: Sequence[Response]) -> JsonObject:
    merged = dedup.lock_merged(conn, merged_id)
    if merged is None:
        raise _no_such(merged_id)
    dedup.materialise(conn, merged_id)
    pair = (merged.id, merged.insight_id)
    votes = [
        vote
        for response in responses
        for vote in votes_of(merged_id, response, expand(pair, ClusterDecision.model_validate(response.decision)))
    ]
    dedup.set_merge_decided(conn, merged_id, decided=len(responses) >= _enough())
    return {"responses": len(responses), **settle_votes(conn, merged_id, votes, insights=pair)}


# --- both -----------------------------------------------------------------------------------------------------------


def _enough() -> int:
    return policy().review.min_responses


def _items(ids: Sequence[str], told: Sequence[Told]) -> list[Item]:
    """Return the items in the order of the ids; one without statements is left out."""
    by_item = {
        item_id: [{"id": each.id, "statement": each.statement, "sources": each.sources} for each in some]
        for item_id, some in groupby(told, key=lambda each: each.item_id)
    }
    return [Item(id=item_id, content={"statements": by_item[item_id]}) for item_id in ids if item_id in by_item]


def _only(items: Sequence[Item], item_id: str) -> Item:
    if not items:
        raise _no_such(item_id)
    return items[0]


def _no_such(item_id: str) -> NotFoundError:
    return NotFoundError(f"there is no {item_id} to decide on", advice="ask for the next items")


REVIEWS: Final = (
    Review(
        kind=CLUSTERS,
        summary="Whether insights that look alike say the same thing: all of them, a subset, or none.",
        decision=ClusterDecision,
        waiting=_waiting_clusters,
        show=_show_cluster,
        reveal=_reveal_cluster,
        check=_check_cluster,
        settle=_settle_cluster,
        count=_count_clusters,
        open_among=dedup.open_clusters,
        min_responses=_enough,
    ),
    Review(
        kind=MERGES,
        summary="Whether a statement was rightly merged by a model when it came in: approve it, or part it again.",
        decision=MergeDecision,
        waiting=_waiting_merges,
        show=_show_merge,
        reveal=_reveal_merge,
        check=_check_merge,
        settle=_settle_merge,
        count=_count_merges,
        open_among=dedup.open_merges,
        min_responses=_enough,
    ),
)
