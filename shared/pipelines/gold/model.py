"""A fine-tuned model of gold: what it is asked, and what its answers are worth."""

from pathlib import Path
from typing import Final

from shared.llm.chat import ChatRequest, Message
from shared.llm.guardrail import Guarded
from shared.llm.tuned import Asking, First, TunedModel, completions_of, faults_of, load_tuned
from shared.pipelines.gold.contracts import ANSWER_SCHEMA, NAME, GoldAnswer, Snapshot
from shared.pipelines.gold.guard import GoldGuard
from shared.pipelines.gold.model_policy import model_policy
from shared.pipelines.gold.prompt import SCHEMA_NAME, question

GoldModel = TunedModel[Snapshot, GoldAnswer]


def load(folder: Path) -> GoldModel:
    """Load a registered model. Raises RefusedError when it was trained at another provider than the settings name."""
    return load_tuned(folder, ASKING)


def named(name: str, provider: str | None = None, *, job_id: str | None = None) -> GoldModel:
    """Return the model that the provider knows by this name. Raises RefusedError when it is another provider's."""
    return TunedModel(name, completions_of(provider), ASKING, job_id=job_id)


def request_of(model: str, snapshot: Snapshot) -> ChatRequest:
    """Return the question about a snapshot. Temperature 0: the same question is worth the same answer."""
    return ChatRequest(
        model=model,
        messages=tuple(Message.model_validate(message) for message in question(snapshot)),
        schema=ANSWER_SCHEMA,
        schema_name=SCHEMA_NAME,
        max_tokens=model_policy().max_tokens,
    )


def judged(text: str, snapshot: Snapshot) -> First:
    """Say what is wrong with a first answer."""
    return First(text=text, faults=faults_of(GoldGuard(snapshot), text))


def _confidence(found: Guarded[GoldAnswer]) -> float:
    """Return an answer's confidence as a number; the fallback's is 0."""
    return model_policy().confidence[found.output.confidence] if found.model is not None else 0.0


ASKING: Final = Asking[Snapshot, GoldAnswer](
    purpose=NAME,
    request=request_of,
    guard=GoldGuard,
    confidence=_confidence,
    answer_seconds=model_policy().answer_seconds,
)
