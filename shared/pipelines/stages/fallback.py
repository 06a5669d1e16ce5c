"""The answer when there is no model, or the stage is pinned: what its rules conclude. Loads no library."""

from shared.pipeline import Answer
from shared.pipelines.stages.contracts import StageInput, StageOutput
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.policy import policy


def fallback(value: StageInput) -> Answer[StageOutput]:
    """Answer by the stage's rules, as surely as they say themselves."""
    output = deterministic(value)
    return Answer(output=output, confidence=confidence_of(output))


def confidence_of(output: StageOutput) -> float:
    """Return an answer's word of confidence as a number."""
    return policy().model.confidence[output.confidence]
