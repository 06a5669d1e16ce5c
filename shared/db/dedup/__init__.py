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
from shared.db.dedup.predicting import Near, PairPrediction, StoredPair, nearest, put_predictions, stored_pairs

__all__ = [
    "Answerer", "AppliedThresholds", "Evaluated", "Near", "PairPrediction", "StoredPair", "answerer",
    "applied_thresholds", "apply_thresholds", "latest_evaluation", "nearest", "put_predictions", "stored_pairs",
]  # fmt: skip
