"""Words of answering: one answer as it goes to the caller, and who stands ready to give it.

For pipelines that answer by themselves (``Pipeline.serve``); the others' way is the loop's (``loop/predict.py``).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.contracts import JsonObject, Path

if TYPE_CHECKING:
    from shared.pipeline import Loaded


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """One answer as it goes to the caller: the output's JSON, confidence 0 to 1, and the model that truly gave it."""

    output: JsonObject
    confidence: float
    path: Path
    model_id: str | None
    model_version: str | None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Who answers for a surface: its active model, as far as this process could load it.

    ``expected``: a model is active, in memory or not. Without a ``model`` that is a fault, and else just how it is.
    """

    surface: str
    model: "Loaded[Any, Any] | None"
    model_id: str | None
    version: str | None
    expected: bool
