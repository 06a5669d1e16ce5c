"""SQL of dedup's own tables. Pipelines import from here, nowhere deeper."""

from shared.db.dedup.answering import (
    Answerer,
    AppliedThresholds,
    Evaluated,
    answerer,
    applied_thresholds,
    apply_thresholds,
    latest_evaluation,
)
from shared.db.dedup.assisting import NeighbourPair, asked_neighbours, unasked_neighbours, unlikely_pairs
from shared.db.dedup.clusters import (
    Clustered,
    ClusterRow,
    StoredCluster,
    changeable_clusters,
    kept_apart,
    lock_open_clusters,
    merged_among,
    put_clusters,
    refresh_clusters,
    retire_clusters,
    stored_clusters,
)
from shared.db.dedup.conflicts import StandingConflict, conflicts, count_conflicts, disagreements
from shared.db.dedup.fine_tunes import (
    FineTuned,
    NumberedModel,
    fine_tune_of,
    fine_tune_of_flow,
    next_version,
    numbered_model,
    numbered_models,
)
from shared.db.dedup.incoming import (
    StagedStatement,
    TakenIn,
    Waiting,
    drop_incoming,
    forget_incoming,
    homes,
    incoming_progress,
    last_insight,
    link_sources,
    lock_insights,
    near_newer,
    put_insights,
    put_merged,
    put_proposal,
    settle_incoming,
    stage_incoming,
    staged_incoming,
    take_in,
    waiting_statements,
)
from shared.db.dedup.labelling import (
    Conflict,
    Known,
    Labelled,
    Vote,
    labelled_around,
    merged_by_machine,
    replace_votes,
    votes_about,
    write_conflicts,
    write_labels,
    write_merges,
)
from shared.db.dedup.labelling import lock as lock_labels
from shared.db.dedup.neighbours import (
    Neighbours,
    Scan,
    VectorRow,
    begin_scan,
    count_vectors,
    embedding_models,
    find_scan,
    near_pairs,
    put_compared,
    vectors,
)
from shared.db.dedup.predicting import Near, PairPrediction, StoredPair, nearest, put_predictions, stored_pairs
from shared.db.dedup.reembedding import (
    Statement,
    Swapped,
    forget_other_vectors,
    put_new_vectors,
    reembedding_progress,
    swap_vectors,
    without_new_vectors,
)
from shared.db.dedup.reviewing import (
    ClusterScores,
    Merged,
    Told,
    cluster_scores,
    count_waiting_clusters,
    count_waiting_merges,
    find_merged,
    lock_cluster,
    lock_merged,
    materialise,
    members_of,
    open_clusters,
    open_merges,
    set_cluster_state,
    set_merge_decided,
    told_clusters,
    told_merges,
    waiting_clusters,
    waiting_merges,
)
from shared.db.dedup.searching import NumberedVector, size_of_vectors, statements_of, vectors_since
from shared.db.dedup.training import LabelCounts, LabelledPair, label_counts, label_groups, labelled_pairs, new_pairs

__all__ = [
    "Answerer", "AppliedThresholds", "ClusterRow", "ClusterScores", "Clustered", "Conflict", "Evaluated", "FineTuned",
    "Known", "LabelCounts", "Labelled", "LabelledPair", "Merged", "Near", "NeighbourPair", "Neighbours",
    "NumberedModel", "NumberedVector", "PairPrediction", "Scan", "StagedStatement", "StandingConflict", "Statement",
    "StoredCluster", "StoredPair", "Swapped", "TakenIn", "Told", "VectorRow", "Vote", "Waiting", "answerer",
    "applied_thresholds", "apply_thresholds", "asked_neighbours", "begin_scan", "changeable_clusters", "cluster_scores",
    "conflicts", "count_conflicts", "count_vectors", "count_waiting_clusters", "count_waiting_merges", "disagreements",
    "drop_incoming", "embedding_models", "find_merged", "find_scan", "fine_tune_of", "fine_tune_of_flow",
    "forget_incoming", "forget_other_vectors", "homes", "incoming_progress", "kept_apart", "label_counts",
    "label_groups", "labelled_around", "labelled_pairs", "last_insight", "latest_evaluation", "link_sources",
    "lock_cluster", "lock_insights", "lock_labels", "lock_merged", "lock_open_clusters", "materialise", "members_of",
    "merged_among", "merged_by_machine", "near_newer", "near_pairs", "nearest", "new_pairs", "next_version",
    "numbered_model", "numbered_models", "open_clusters", "open_merges", "put_clusters", "put_compared", "put_insights",
    "put_merged", "put_new_vectors", "put_predictions", "put_proposal", "reembedding_progress", "refresh_clusters",
    "replace_votes", "retire_clusters", "set_cluster_state", "set_merge_decided", "settle_incoming", "size_of_vectors",
    "stage_incoming", "staged_incoming", "statements_of", "stored_clusters", "stored_pairs", "swap_vectors", "take_in",
    "told_clusters", "told_merges", "unasked_neighbours", "unlikely_pairs", "vectors", "vectors_since", "votes_about",
    "waiting_clusters", "waiting_merges", "waiting_statements", "without_new_vectors", "write_conflicts",
    "write_labels", "write_merges",
]  # fmt: skip
