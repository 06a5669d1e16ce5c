"""The answer when there is no model, or none in time: what the similarity of two vectors is worth. Loads no library."""

import math

from shared.pipeline import Answer
from shared.pipelines.dedup.pair import MergeAnswer, Pair
from shared.pipelines.dedup.policy import policy

_EVEN = 0.5


def fallback(pair: Pair) -> Answer[MergeAnswer]:
    """Answer by the policy's line (``[similarity]``). Its confidence is bounded: no likeness merges anything by itself.

    Without a similarity the odds are even, and the answer is to keep the two apart.
    """
    probability = merge_probability(pair.similarity)
    answer = MergeAnswer(should_merge=probability > _EVEN, merge_probability=probability)
    confidence = min(max(probability, 1 - probability), policy().similarity.max_confidence)
    return Answer(output=answer, confidence=confidence)


def merge_probability(similarity: float | None) -> float:
    """Return the probability of a merge (0 to 1) that a cosine is worth: a logistic line."""
    if similarity is None:
        return _EVEN
    line = policy().similarity
    return 1 / (1 + math.exp(-(similarity - line.midpoint) * line.slope))
