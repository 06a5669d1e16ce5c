"""The answer when there is no model, or none that keeps the rules: honest, and always the same. Loads no library."""

from typing import Final

from shared.pipeline import Answer
from shared.pipelines.gold.contracts import GoldAnswer, Snapshot

INSUFFICIENT: Final = GoldAnswer(
    decision="Insufficient evidence: decide nothing on this snapshot.",
    boundary="Change nothing until a person has looked at it.",
    why_this_now="No answer to this snapshot kept every rule.",
    one_sentence_pattern="",
    confidence="low",
    evidence=(),
)


def fallback(_snapshot: Snapshot) -> Answer[GoldAnswer]:
    """Say that the evidence is insufficient, with no confidence at all."""
    return Answer(output=INSUFFICIENT, confidence=0.0)
