"""How calls are answered: by whoever scores now (``scorer.py``), with the seed's contract as the answer."""

from collections.abc import Sequence

from shared.answering import Answered, Standing
from shared.contracts import Path
from shared.errors import UnavailableError
from shared.pipelines.images.contracts import ImageInput, as_json
from shared.pipelines.images.scorer import Scored, score_pictures, source_of

REFUSED = "refused"
"""In the place of a score: what is wrong with the picture."""
_PATHS = {"onnx": Path.MODEL, "cache": Path.CACHE}


def serve(standing: Standing, given: Sequence[ImageInput]) -> Sequence[Answered]:
    """Score pictures, one answer for each."""
    return [_answered(scored) for scored in score_pictures(source_of(standing), given)]


def _answered(scored: Scored) -> Answered:
    if scored.score is None:
        fault = scored.fault or UnavailableError("the picture was not scored")
        return Answered(
            output={REFUSED: fault.as_dict()}, confidence=0.0, path=Path.FALLBACK, model_id=None, model_version=None
        )
    return Answered(
        output=as_json(scored.score),
        confidence=scored.confidence,
        path=_PATHS.get(scored.score.path, Path.FALLBACK),
        model_id=scored.model_id,
        model_version=scored.score.model_version,
    )
