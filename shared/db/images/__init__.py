"""SQL of images' own tables, one module for each of them. Pipelines import from here, nowhere deeper."""

from shared.db.images.importing import (
    OTHER_WEBCAM,
    ImportTally,
    Looked,
    NewImage,
    Outcome,
    count_reasons,
    count_webcams,
    forget_import,
    import_tally,
    outcomes,
    put_looked,
    refusals,
)
from shared.db.images.labels import LabelRow, count_rated, labels
from shared.db.images.ratings import (
    NewRating,
    RatingKind,
    RatingsMerged,
    StagedRating,
    drop_ratings,
    merge_ratings,
    put_rating,
    stage_ratings,
    staged_ratings,
    unknown_images,
)

__all__ = [
    "OTHER_WEBCAM", "ImportTally", "LabelRow", "Looked", "NewImage", "NewRating", "Outcome", "RatingKind",
    "RatingsMerged", "StagedRating", "count_rated", "count_reasons", "count_webcams", "drop_ratings", "forget_import",
    "import_tally", "labels", "merge_ratings", "outcomes", "put_looked", "put_rating", "refusals", "stage_ratings",
    "staged_ratings", "unknown_images",
]  # fmt: skip
