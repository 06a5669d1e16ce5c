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
from shared.db.dedup.predicting import Near, PairPrediction, StoredPair, nearest, put_predictions, stored_pairs
from shared.db.dedup.reviewing import (
    ClusterScores,
    Merged,
    Told,
    cluster_scores,
    lock_cluster,
    lock_merged,
    materialise,
    members_of,
    set_cluster_state,
    told_clusters,
    told_merges,
    waiting_clusters,
    waiting_merges,
)
from shared.db.dedup.training import LabelCounts, LabelledPair, label_counts, labelled_pairs, new_pairs

__all__ = [
    "Answerer", "AppliedThresholds", "ClusterScores", "Conflict", "Evaluated", "Known", "LabelCounts", "Labelled",
    "LabelledPair", "Merged", "Near", "PairPrediction", "StoredPair", "Told", "Vote", "answerer",
    "applied_thresholds", "apply_thresholds", "cluster_scores", "label_counts", "labelled_around", "labelled_pairs",
    "latest_evaluation", "lock_cluster", "lock_labels", "lock_merged", "materialise", "members_of",
    "merged_by_machine", "nearest", "new_pairs", "put_predictions", "replace_votes", "set_cluster_state",
    "stored_pairs", "told_clusters", "told_merges", "votes_about", "waiting_clusters", "waiting_merges",
    "write_conflicts", "write_labels", "write_merges",
]  # fmt: skip
