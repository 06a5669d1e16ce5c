"""The answer when there is no model, or none in time: honest, and always the same. Loads no library."""

from shared.pipeline import Answer
from shared.pipelines.router.contracts import Difficulty, Prediction


def fallback(_query: str) -> Answer[Prediction]:
    """Say that the difficulty is not known, with no confidence at all."""
    return Answer(output=Prediction(difficulty=Difficulty.UNCERTAIN), confidence=0.0)
