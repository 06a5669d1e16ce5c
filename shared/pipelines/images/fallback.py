"""The answer when there is no model, or none in time: the baseline scorer, which needs none."""

from shared.errors import TuneyardError
from shared.pipeline import Answer
from shared.pipelines.images.contracts import ImageInput, Judged, to_stars

_UNSEEN = 0.5  # of a picture whose bytes cannot be had: the middle, with no confidence


def fallback(given: ImageInput) -> Answer[Judged]:
    """Score a picture without a model. Always answers: what cannot be read gets the middle."""
    from shared.files import uploads_of
    from shared.stores import artifacts

    try:
        from shared.pipelines.images.baseline import baseline_scores

        with (uploads_of(artifacts()) if given.uploaded else artifacts()).open(given.file) as file:
            (score,) = baseline_scores([file.read()])
    except (TuneyardError, ImportError):  # a front of its own has no library that decodes pictures
        score = _UNSEEN
    return Answer(output=Judged(raw_score=score, ai_rating=to_stars(score)), confidence=0.0)
