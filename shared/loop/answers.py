"""An answer without a model."""

from typing import Any

from shared.answering import Answered
from shared.contracts import Path
from shared.pipeline import Pipeline

__all__ = ["Answered", "fallback_answer"]


def fallback_answer(pipeline: Pipeline[Any, Any], value: Any) -> Answered:
    """Answer one parsed input without a model."""
    answer = pipeline.fallback(value)
    return Answered(
        output=pipeline.dump_output(answer.output),
        confidence=answer.confidence,
        path=Path.FALLBACK,
        model_id=None,
        model_version=None,
    )
