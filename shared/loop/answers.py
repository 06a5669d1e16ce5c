"""One answer as it goes to the caller, whoever gave it."""

from dataclasses import dataclass
from typing import Any

from shared.contracts import JsonObject, Path
from shared.pipeline import Pipeline


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """One answer as it goes to the caller: the output's JSON, confidence 0 to 1, and the model that truly gave it."""

    output: JsonObject
    confidence: float
    path: Path
    model_id: str | None
    model_version: str | None


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
