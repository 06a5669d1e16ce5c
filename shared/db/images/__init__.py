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
from shared.db.images.reviewing import (
    ModelScore,
    People,
    ShownImage,
    count_images_apart,
    count_waiting_images,
    has_imported_rating,
    images_apart,
    lock_image,
    open_apart,
    open_images,
    people_of,
    scores_of,
    settle_ratings,
    severity_of,
    shown_image,
    waiting_images,
)
from shared.db.images.scoring import (
    Asked,
    Disagreement,
    NewScore,
    RatingsSince,
    StoredImage,
    count_compared,
    count_images,
    disagreements,
    find_image,
    put_scores,
    ratings_since,
    scored_by_job,
    unscored,
)

__all__ = [
    "OTHER_WEBCAM", "Asked", "Disagreement", "ImportTally", "LabelRow", "Looked", "ModelScore", "NewImage",
    "NewRating", "NewScore", "Outcome", "People", "RatingKind", "RatingsMerged", "RatingsSince", "ShownImage",
    "StagedRating", "StoredImage", "count_compared", "count_images", "count_images_apart", "count_rated",
    "count_reasons", "count_waiting_images", "count_webcams", "disagreements", "drop_ratings", "find_image",
    "forget_import", "has_imported_rating", "images_apart", "import_tally", "labels", "lock_image", "merge_ratings",
    "open_apart", "open_images", "outcomes", "people_of", "put_looked", "put_rating", "put_scores", "ratings_since",
    "refusals", "scored_by_job", "scores_of", "settle_ratings", "severity_of", "shown_image", "stage_ratings",
    "staged_ratings", "unknown_images", "unscored", "waiting_images",
]  # fmt: skip
