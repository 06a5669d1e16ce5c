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
from shared.db.dedup.fine_tunes import (
    FineTuned,
    NumberedModel,
    fine_tune_of,
    fine_tune_of_flow,
    next_version,
    numbered_model,
    numbered_models,
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
from shared.db.dedup.training import LabelCounts, LabelledPair, label_counts, label_groups, labelled_pairs, new_pairs

__all__ = [
    "Answerer", "AppliedThresholds", "ClusterScores", "Conflict", "Evaluated", "FineTuned", "Known", "LabelCounts",
    "Labelled", "LabelledPair", "Merged", "Near", "NumberedModel", "PairPrediction", "StoredPair", "Told", "Vote",
    "answerer", "applied_thresholds", "apply_thresholds", "cluster_scores", "fine_tune_of", "fine_tune_of_flow",
    "label_counts", "label_groups", "labelled_around", "labelled_pairs", "latest_evaluation", "lock_cluster",
    "lock_labels", "lock_merged", "materialise", "members_of", "merged_by_machine", "nearest", "new_pairs",
    "next_version", "numbered_model", "numbered_models", "put_predictions", "replace_votes", "set_cluster_state",
    "stored_pairs", "told_clusters", "told_merges", "votes_about", "waiting_clusters", "waiting_merges",
    "write_conflicts", "write_labels", "write_merges",
]  # fmt: skip
